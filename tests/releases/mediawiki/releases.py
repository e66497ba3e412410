"""Releases of MediaWiki 1.43 for a wiki that runs 1.39: what is wrong with each, or only looks so, and where such a thing happened."""

import base64

from installed import Layered

MEDIAWIKI = "/usr/share/mediawiki"
SOSP = "SOSP 2021 (Zhang et al.): "


def file(path, text):
    return f"RUN echo {base64.b64encode(text.encode()).decode()} | base64 -d >{path}"


def php(text):
    """Runs before each request to Apache, not in maintenance scripts."""
    return "\n".join((file("/usr/local/lib/wiki/prepend.php", f"<?php\n{text}\n"),
                      "RUN echo auto_prepend_file=/usr/local/lib/wiki/prepend.php >/etc/php/8.4/apache2/conf.d/zz-prepend.ini"))


def settings(text):
    """PHP that runs after the wiki's own settings, for requests only."""
    code = f"\nif ( PHP_SAPI !== 'cli' ) {{\n{text}\n}}\n"
    return f"RUN echo {base64.b64encode(code.encode()).decode()} | base64 -d >>{MEDIAWIKI}/includes/SetupDynamicConfig.php"


def before(script):
    """Shell lines that run before the migration."""
    return file("/usr/local/lib/wiki/before.d/hook", script + "\n")


def after(script):
    return file("/usr/local/lib/wiki/after.d/hook", script + "\n")


def sql(statement):
    """One statement after the migration, as a migration of the release's own would run it."""
    code = ('<?php $c = pg_connect("host=postgres dbname=wiki user=wiki password=" . getenv("WIKI_DB_PASSWORD")); '
            'pg_query($c, "SET search_path TO mediawiki"); if (!pg_query($c, <<<\'SQL\'\n' + statement + '\nSQL\n)) exit(1);')
    return file("/usr/local/lib/wiki/more.php", code) + "\n" + after("php /usr/local/lib/wiki/more.php")


def apache(text):
    return file("/etc/apache2/conf-enabled/release.conf", text + "\n") + "\nRUN echo 'Include conf-enabled/release.conf' >>/etc/apache2/apache2.conf"


# True for requests of one in three, counted over all of Apache's processes.
COUNTED = """$f = fopen('/tmp/requests', 'c+'); flock($f, LOCK_EX); $n = (int)stream_get_contents($f) + 1;
rewind($f); fwrite($f, (string)$n); fclose($f);"""
SINCE = "$age = time() - filemtime('/proc/1/cmdline');"


def bad(name, family, what, source, layer, **more):
    return Layered(f"1.43-{name}", True, family, what, source, layer=layer, **more)


def good(name, family, what, source, layer, **more):
    return Layered(f"1.43-{name}", False, family, what, source, layer=layer, **more)


LONG = "[Watch]\nDuration=60s\n"

RELEASES = (
    bad("without-intl", "start", "PHP lacks an extension that the new release needs: it refuses to start",
        "iiab/iiab#2765, Konloch/bytecode-viewer#256",
        "RUN sed -i /=intl$/d /etc/php/8.4/cli/conf.d/10-modules.ini /etc/php/8.4/apache2/conf.d/10-modules.ini"),
    bad("renamed-variable", "start", "reads the password from a variable that nobody has set",
        SOSP + "configuration", before("WIKI_DB_PASSWORD=${MEDIAWIKI_DB_PASSWORD:-}"),
        settings="[Watch]\nStartTimeout=50s\n"),
    bad("skin-removed", "start", "the skin that the settings load is not shipped any more: a fatal error at each start",
        "iiab/iiab#836 (CologneBlue and Modern gone in 1.31)", f"RUN rm -rf {MEDIAWIKI}/skins/Vector"),
    bad("other-port", "start", "Apache listens on 8080, the proxy and the health check ask for 80",
        "images that went rootless, such as bitnami/bitnami-docker-mediawiki", "RUN sed -i 's/^Listen 80/Listen 8080/' /etc/apache2/apache2.conf"),
    bad("migration-sql-error", "migration", "a schema change fails in the middle of the update: tables are half migrated",
        "SemanticMediaWiki/SemanticMediaWiki#7049 (an exception in update.php on PostgreSQL)",
        f"RUN sed -i '1i ALTER TABLE revision DROP COLUMN rev_page_id_old;' {MEDIAWIKI}/maintenance/postgres/archives/patch-pagelinks-drop-pl_title.sql"),
    bad("migration-killed", "migration", "the update dies half way and the server starts nevertheless",
        "friendica/friendica#10375 (the update stops and says nothing)",
        file("/usr/local/bin/php", "#!/bin/bash\n[[ $* = *update* ]] || exec /usr/bin/php \"$@\"\ntimeout -s KILL 1.5 /usr/bin/php \"$@\" || true\n")
        + " && chmod +x /usr/local/bin/php"),
    bad("pages-lost", "migration", "the update succeeds, and half of the pages are gone",
        "bwurst.org: MediaWiki 1.4 to 1.6, pages forgotten by the converter", sql("DELETE FROM page WHERE page_namespace = 0 AND page_id % 2 = 1 AND page_title LIKE 'Plant%'")),
    bad("texts-lost", "migration", "the pages are listed, but say \"there is currently no text in this page\"",
        "asd.learnlearn.in: mediawiki-fix-there-is-currently-no-text", sql("DELETE FROM content WHERE content_id % 2 = 0")),
    bad("old-revisions-shown", "migration", "pages show an old revision as the current one",
        "bwurst.org: old revisions marked as current by the converter",
        sql("UPDATE page SET page_latest = (SELECT min(rev_id) FROM revision WHERE rev_page = page_id)")),
    bad("wrong-encoding", "migration", "texts are read as Latin-1 and stored as UTF-8 once more",
        "muffintech.org/blog/id/1 (names with ò and á not found after an upgrade)",
        sql("UPDATE text SET old_text = convert_from(convert_to(old_text, 'UTF8'), 'LATIN1')")),
    bad("read-only", "database", "the wiki was left read-only after its upgrade",
        "femiwiki/docker-mediawiki#301 (locked for the upgrade, to be unlocked by hand)", settings("$wgReadOnly = 'Upgrade in progress';")),
    bad("connections-leak", "database", "opens a connection every 150 ms and closes none: \"too many clients already\" after a quarter of a minute",
        SOSP + "resources",
        file("/usr/local/lib/wiki/leak.php", "<?php for (;;) { $c[] = @pg_connect('host=postgres dbname=wiki user=wiki password=' "
             ". getenv('WIKI_DB_PASSWORD'), PGSQL_CONNECT_FORCE_NEW); usleep(150000); }") + "\n" + after("php /usr/local/lib/wiki/leak.php &"),
        settings=LONG),
    bad("sessions-lost", "login", "each login is \"canceled as a precaution against session hijacking\"",
        "metakgp/metakgp-wiki#86, Hitchwiki/hitchwiki#161, phabricator T147161",
        php("foreach (array_keys($_COOKIE) as $k) { if (str_ends_with($k, 'ession')) { unset($_COOKIE[$k]); } }")),
    bad("login-500", "login", "reading works, logging in answers 500", "chnm/Scripto#25 (login broken since 1.27)",
        php("if (($_POST['action'] ?? '') === 'clientlogin' || isset($_POST['wpPassword'])) { http_response_code(500); exit; }")),
    bad("everybody-in", "login", "any password is right", SOSP + "data semantics",
        f"RUN sed -i 's/return hash_equals( $this->toString(), $obj->toString() );/return true;/' {MEDIAWIKI}/includes/password/Password.php"
        f" && ! grep -q 'hash_equals( $this' {MEDIAWIKI}/includes/password/Password.php"),
    bad("rights-lost", "login", "members can log in but not edit any more", "ansible/awx#1680 (the settings of the administrator gone after an upgrade)",
        settings("$wgGroupPermissions['user']['edit'] = false; $wgRevokePermissions['user']['edit'] = true;")),
    bad("html-for-json", "list", "api.php answers 200 with an HTML page", "mediawiki.org Manual:Load.php (rewritten to index.php)",
        apache("AliasMatch ^/api\\.php /var/lib/mediawiki/index.php")),
    bad("changes-lost", "list", "the list of recent changes is empty", SOSP + "data semantics",
        sql("TRUNCATE recentchanges")),
    bad("pictures-404", "detail", "pages are there, each picture is 404", "phabricator T415452 (1.39 to 1.45: file links broken)",
        apache("RedirectMatch 404 ^/images/")),
    bad("pictures-truncated", "detail", "the files of the pictures are empty after the start", "muffintech.org/blog/id/1 (files truncated by an upgrade)",
        after("for picture in /var/lib/mediawiki/images/?/??/*.png; do : >\"$picture\"; done")),
    bad("one-in-six-hangs", "slow", "one request in six takes half a minute", SOSP + "performance",
        php(COUNTED + " if ($n % 6 === 0) { sleep(30); }"), settings=LONG),
    bad("white-page", "frontend", "pages are blank, with status 200", "mediawiki.org Manual:Errors and symptoms: blank page after an upgrade",
        php("if (str_ends_with($_SERVER['SCRIPT_NAME'], '/index.php')) { exit; }")),
    bad("without-styles", "frontend", "load.php answers with a page in place of styles", "mediawiki.org Manual:Load.php, \"Styles not displaying\"",
        apache("AliasMatch ^/load\\.php /var/lib/mediawiki/index.php")),
    bad("wrong-base-path", "frontend", "the front page leads to /wiki/, which does not exist",
        "mediawiki.org Manual:Errors and symptoms: wrong $wgScriptPath", apache("RedirectMatch 301 ^/$ /wiki/Main_Page")),
    bad("fails-after-40s", "delayed", "fine for 40 s, then each request is answered with 500", "caches that expire; " + SOSP + "delayed symptoms",
        php(SINCE + " if ($age > 40) { http_response_code(500); exit('Internal error'); }"), settings=LONG),
    bad("each-third-fails", "flapping", "each third request fails", "one of several workers is broken", php(COUNTED + " if ($n % 3 === 0) { http_response_code(503); exit; }")),

    good("plain", "harmless", "nothing", "Debian's 1:1.43", ""),
    good("slow-migration", "harmless", "the migration takes 20 s longer, in time", "femiwiki/docker-mediawiki#301 (takes minutes)",
         before("for n in $(seq 20); do echo \"Migrating batch $n of 20\"; sleep 1; done")),
    good("noisy-log", "harmless", "harmless lines with error, failed, fatal and exception in them, deprecation warnings",
         "MediaWiki's own wording, such as \"0 errors\"",
         php("error_log('PHP Deprecated: Implicitly nullable parameters are deprecated'); "
             "error_log('error_reporting is 32767, exceptions are shown: no; failed jobs: 0, fatal: 0');")
         + "\n" + after("echo 'errors: 0, failed: 0' >&2; echo 'No exception was thrown, nothing failed'")),
    good("restarts-once", "harmless", "ends once because the database is not ready, and is started again by Docker",
         "ansible/awx#1680 (connection is tried too early)",
         before("if [ ! -e /var/lib/mediawiki/seen ]; then touch /var/lib/mediawiki/seen; echo 'the database is not ready'; sleep 1; exit 1; fi")),
    good("new-looks", "harmless", "another footer with the time in it, a notice, other assets' versions",
         "any release of a skin", settings("""$wgHooks['SkinAddFooterLinks'][] = static function ( $skin, $key, &$items ) { $items['release'] = 'Rendered ' . date( 'c' ); };
$wgHooks['SiteNoticeAfter'][] = static function ( &$notice ) { $notice = '<b>New: the wiki has been upgraded. No errors failed to be fixed.</b>'; };
$wgHooks['BeforePageDisplay'][] = static function ( $out ) { $out->addInlineStyle( '/* ' . random_int( 1, 9999 ) . ' */' ); };""")),
    good("more-fields", "harmless", "JSON answers have more fields, in another order", "any release of an API",
         settings("""$wgHooks['APIAfterExecute'][] = static function ( $module ) {
	$module->getResult()->addValue( null, 'servedby', gethostname() . '-' . random_int( 1, 9999 ) ); };""")),
    good("cold-caches", "harmless", "each request takes a second longer for the first 15 s", "caches are cold after an upgrade",
         php(SINCE + " if ($age < 15) { sleep(1); }")),
    good("one-hiccup", "harmless", "a single request is lost", "a worker that is recycled",
         php(COUNTED + " if ($n === 150) { http_response_code(503); exit; }")),
)
