/* The kinds of records in the journal. See journal.h; units/upgrade-watchdog.catalog is made from this. */

#include <syslog.h>

#include "watchdog/audit/journal.h"

/* clang-format off */
const struct event_kind events[EVENT_COUNT] = {
    [EVENT_STARTED] = { "started", "a122b49a9e434f3da80c7a5a4b7471ea", LOG_NOTICE, "An upgrade of @UPGRADE_APP@ has begun",
          "The transaction @UPGRADE_ID@ of the application @UPGRADE_APP@ has begun. Nothing of the\n"
          "application is touched before the phase \"quiesce\".\n"
          "\n"
          "Its progress: journalctl -f UPGRADE_ID=@UPGRADE_ID@\n" },
    [EVENT_PHASE] = { "phase", "c361577ee49843b284b5ed02e10c74af", LOG_INFO, "A phase of the upgrade of @UPGRADE_APP@",
          "The transaction @UPGRADE_ID@ of the application @UPGRADE_APP@ is in the phase\n"
          "@UPGRADE_PHASE@. upgrade-watchdog(8) says what each phase does and how it is undone.\n" },
    [EVENT_UP_TO_DATE] = { "up-to-date", "156e0a09f58e4f0cbd3951ee2c6475b6", LOG_INFO, "@UPGRADE_APP@ is up to date",
          "The registries have nothing newer for the application @UPGRADE_APP@. Nothing was touched.\n" },
    [EVENT_UPGRADED] = { "upgraded", "d8082f0ee73341098c325fd4b305e9b6", LOG_NOTICE, "@UPGRADE_APP@ was upgraded",
          "The new release of the application @UPGRADE_APP@ is up, and its probes have passed through\n"
          "the whole window. The state from before stays for a while: the clone of the database as\n"
          "long as KeepClone= says, the snapshot as Keep= says.\n"
          "\n"
          "If something is found to be wrong later, this goes back, and says first what it loses:\n"
          "upgrade-watchdog rollback @UPGRADE_APP@\n" },
    [EVENT_REFUSED] = { "refused", "fec16f72857949e1acdcb93ceea0fc25", LOG_WARNING, "An upgrade of @UPGRADE_APP@ was refused",
          "A precondition does not hold, or the release is known to be bad. Nothing was touched, the\n"
          "old release of the application @UPGRADE_APP@ goes on serving.\n"
          "\n"
          "Every precondition with its result: upgrade-watchdog check @UPGRADE_APP@\n" },
    [EVENT_REJECTED] = { "rejected", "b9108cbd07864137b390c53b80d61c68", LOG_WARNING, "A release of @UPGRADE_APP@ was rejected",
          "The new release of the application @UPGRADE_APP@ failed before anything was touched. The\n"
          "old release goes on serving; this one is not tried again by itself.\n"
          "\n"
          "What was seen: upgrade-watchdog report @UPGRADE_APP@ @UPGRADE_ID@\n" },
    [EVENT_ABORTED] = { "aborted", "23795a27bfee41df99c8e3963a0e10d3", LOG_WARNING, "An upgrade of @UPGRADE_APP@ was aborted",
          "The upgrade ended before the new release was started. The old release of the application\n"
          "@UPGRADE_APP@ runs on its own data. The release is not marked as bad: the next run tries\n"
          "it again.\n"
          "\n"
          "What was seen: upgrade-watchdog report @UPGRADE_APP@ @UPGRADE_ID@\n" },
    [EVENT_ROLLED_BACK] = { "rolled-back", "c7f78061ee164042a7fef367d1814c14", LOG_ERR, "@UPGRADE_APP@ was rolled back",
          "The new release of the application @UPGRADE_APP@ failed. The old release is up again with\n"
          "its database and files as they were at the moment it was stopped, and its probes pass. It\n"
          "is pinned in the Compose files, so that \"docker compose pull\" and \"up\" keep it.\n"
          "\n"
          "What failed, and what was lost: upgrade-watchdog report @UPGRADE_APP@ @UPGRADE_ID@\n"
          "The failed state is kept aside as long as Quarantine= says. A release that probes found\n"
          "bad is not tried again by itself.\n" },
    [EVENT_ROLLBACK_FAILED] = { "rollback-failed", "be270e8d7d724736835b79b8ee72040c", LOG_CRIT, "A rollback of @UPGRADE_APP@ is incomplete: a person is needed",
          "The rollback of the application @UPGRADE_APP@ could not be completed. Nothing was thrown\n"
          "away: everything is stopped, fenced and kept as it is.\n"
          "\n"
          "What state things are in, and what finishes it: upgrade-watchdog status @UPGRADE_APP@\n"
          "When the cause is gone: upgrade-watchdog recover @UPGRADE_APP@\n" },
    [EVENT_RECOVERED] = { "recovered", "02116e36c42a4b66b646044b084855f7", LOG_WARNING, "A transaction of @UPGRADE_APP@ was found unfinished",
          "An earlier run died in the phase @UPGRADE_PHASE@ (power cut, kill, crash). It is brought to\n"
          "one of its two ends now: the new release verified, or the old one as it was.\n" },
    [EVENT_FIRST_PASS] = { "first-pass", "dd3457f6eec54efaaf4cbbcb09883751", LOG_NOTICE, "The new release of @UPGRADE_APP@ passed all probes",
          "All probes of the application @UPGRADE_APP@ have passed for the first time since the\n"
          "switch. They go on through the window.\n" },
    [EVENT_GATE_OPENED] = { "gate-opened", "f58b935d16b94a2ebe807d5c90dbcc63", LOG_NOTICE, "The gate of @UPGRADE_APP@ is open",
          "The service that lets users in was started: from now on users write to the new release.\n" },
    [EVENT_GATE_BY_HAND] = { "gate-by-hand", "c96b6b7d686a4cb191b7bbc527732754", LOG_WARNING, "The gate of @UPGRADE_APP@ was started by somebody else",
          "The gate of the application @UPGRADE_APP@ was found running while it should be shut. It was\n"
          "stopped again. What users wrote through it would be lost by a rollback, and is counted.\n" },
    [EVENT_PROBE_FAILED] = { "probe-failed", "60ee3da4b88c4b88a4fd5e17e0c107f6", LOG_WARNING, "A probe of @UPGRADE_APP@ failed",
          "The probe @UPGRADE_PROBE@ of the application @UPGRADE_APP@ failed. One failure need not\n"
          "decide: FailAfter= and FailShare= of upgrade-watchdog.conf(5) do.\n"
          "\n"
          "All probes once, now: upgrade-watchdog probe @UPGRADE_APP@\n" },
    [EVENT_PROBE_UNKNOWN] = { "probe-unknown", "7d56b2d448d04771851fab5ae470157c", LOG_INFO, "A probe of @UPGRADE_APP@ could not look",
          "The probe @UPGRADE_PROBE@ of the application @UPGRADE_APP@ could not tell whether it works.\n"
          "That is no failure of the release; the window waits for it, but not for ever.\n" },
    [EVENT_SNAPSHOT] = { "snapshot", "9e91b11e598f4559abfb864380aa2871", LOG_NOTICE, "A snapshot of @UPGRADE_APP@ was made",
          "A snapshot of the database and the files of the application @UPGRADE_APP@ is complete and\n"
          "was read back.\n"
          "\n"
          "All of them: upgrade-watchdog snapshots @UPGRADE_APP@\n" },
    [EVENT_SNAPSHOT_DAMAGED] = { "snapshot-damaged", "c0dd227433c04a9e80ba873a42f4ca4d", LOG_ERR, "A snapshot of @UPGRADE_APP@ is damaged",
          "A file of a snapshot is not what was written. The snapshot is not used to restore from, and\n"
          "is not removed. Look at the disk, and make a new one:\n"
          "upgrade-watchdog snapshot @UPGRADE_APP@\n" },
    [EVENT_FOREIGN_START] = { "foreign-start", "661ea61aba3b41bdbed1771049cc3295", LOG_WARNING, "Something of @UPGRADE_APP@ was started by somebody else",
          "A container of the application @UPGRADE_APP@ was started while an upgrade had stopped it:\n"
          "by a person, another updater or a timer. The upgrade gives way or stops it again. Look for\n"
          "what else manages this Compose project.\n" },
    [EVENT_TOLD] = { "told", "240f6bb66f2a4723997daed9bf4ef472", LOG_INFO, "Somebody was told about @UPGRADE_APP@",
          "A message about the application @UPGRADE_APP@ was sent, as [Notify] of its configuration says.\n" },
    [EVENT_NOT_TOLD] = { "not-told", "4259a1a79f2c4425baeb3ce9ef3a3f10", LOG_WARNING, "A message about @UPGRADE_APP@ could not be sent",
          "A message about the application @UPGRADE_APP@ did not reach those whom [Notify] of its\n"
          "configuration names. It stays in the spool and is tried again for three days. What the message is\n"
          "about is not changed by that.\n"
          "\n"
          "A test message by every way: upgrade-watchdog notify @UPGRADE_APP@ --test\n" },
    [EVENT_WARNING] = { "warning", "608c3a1dd8e0409886a742d1f711bb49", LOG_WARNING, "A warning about @UPGRADE_APP@",
          "Something about the application @UPGRADE_APP@ is not as it should be; it did not keep the\n"
          "program from going on.\n" },
    [EVENT_FAILURE] = { "failure", "8f0a64d16105416ea5a9d8d1bf1a526a", LOG_ERR, "upgrade-watchdog failed for @UPGRADE_APP@",
          "A command ended with an error. The message says what it was about and what was expected;\n"
          "the exit codes stand in upgrade-watchdog(8).\n" },
};
/* clang-format on */

const enum event closing_events[] = {
    EVENT_UP_TO_DATE, EVENT_UPGRADED,    EVENT_REFUSED,         EVENT_REJECTED,
    EVENT_ABORTED,    EVENT_ROLLED_BACK, EVENT_ROLLBACK_FAILED, EVENT_COUNT,
};
