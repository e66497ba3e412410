#!/usr/bin/python3
"""Everything of an application that a rollback has to bring back, in one comparable value.

As a script: `fingerprint ROOT` prints a short summary. `differences()` says in words what two fingerprints disagree on.
"""

import hashlib
import json
import os
import stat
import sys
from pathlib import Path

from application import IMAGES, Application, run

# What logins and start-up write: another content in these proves nothing.
VOLATILE = ("public.sessions", "public.server_starts", "public.server_starts_id_seq")

COLUMNS = """
SELECT c.oid::regclass::text, n.nspname || '.' || c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relacl::text,
    obj_description(c.oid, 'pg_class'),
    (SELECT string_agg(format('%s %s %s %s', attname, format_type(atttypid, atttypmod), attnotnull,
        (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = attnum)), ', ' ORDER BY attnum)
     FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    (SELECT string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = c.oid),
    (SELECT string_agg(conname || ' ' || pg_get_constraintdef(k.oid), '; ' ORDER BY conname) FROM pg_constraint k WHERE conrelid = c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%'
"""

DATABASE = """
SELECT pg_get_userbyid(datdba), datacl::text, shobj_description(oid, 'pg_database'), datconnlimit, pg_encoding_to_char(encoding),
    datcollate, datctype, datlocprovider::text, datistemplate,
    (SELECT string_agg(coalesce(setrole::regrole::text, '') || ' ' || setconfig::text, '; ' ORDER BY setrole)
     FROM pg_db_role_setting WHERE setdatabase = d.oid)
FROM pg_database d WHERE datname = %s
"""

ROLES = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolconnlimit, rolpassword, rolvaliduntil::text,
    (SELECT string_agg(roleid::regrole::text, ',' ORDER BY roleid::regrole::text) FROM pg_auth_members WHERE member = a.oid)
FROM pg_authid a WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1
"""


def of_database(application, name="qaid"):
    with application.connect("postgres") as connection, connection.cursor() as cursor:
        cursor.execute(DATABASE, (name,))
        row = cursor.fetchone()
        facts = dict(zip(("owner", "acl", "comment", "connection limit", "encoding", "collate", "ctype", "provider", "template",
                          "settings"), row)) if row else None
        cursor.execute(ROLES)
        roles = {role[0]: list(role[1:]) for role in cursor}
    connection.close()
    relations = {}
    if facts:
        connection = application.connect(name)
        with connection.cursor() as cursor:
            cursor.execute(COLUMNS)
            for quoted, relation, kind, *definition in cursor.fetchall():
                if kind == "S":
                    cursor.execute(f"SELECT last_value, is_called FROM {quoted}")
                else:
                    cursor.execute(f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text FROM {quoted} t")
                relations[relation] = {"definition": definition, "content": list(cursor.fetchone())}
        connection.close()
    return {"database": facts, "roles": roles, "relations": relations}


def of_files(directory):
    entries = {}
    for root, directories, names in os.walk(directory):
        for name in [*directories, *names]:
            path = os.path.join(root, name)
            entries[os.path.relpath(path, directory)] = of_file(path)
    return {".": of_file(directory), **entries}


def of_file(path):
    facts = os.lstat(path)
    entry = {"type": stat.filemode(facts.st_mode)[0], "mode": oct(stat.S_IMODE(facts.st_mode)), "owner": [facts.st_uid, facts.st_gid],
             "mtime": facts.st_mtime_ns, "links": facts.st_nlink,
             "xattrs": {name: os.getxattr(path, name, follow_symlinks=False).hex()
                        for name in sorted(os.listxattr(path, follow_symlinks=False))}}
    if stat.S_ISLNK(facts.st_mode):
        entry["target"] = os.readlink(path)
    elif stat.S_ISREG(facts.st_mode):
        entry["size"] = facts.st_size
        entry["sha256"] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return entry


def of_containers(application):
    found = {}
    for name, item in application.containers().items():
        found[name] = {"service": item["Config"]["Labels"].get("com.docker.compose.service"), "image": item["Image"],
                       "version": item["Config"]["Labels"].get("org.opencontainers.image.version"),
                       "runs": item["State"]["Running"], "policy": item["HostConfig"]["RestartPolicy"]}
    return found


def of_tags():
    listed = run("docker", "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").stdout.splitlines()
    tags = dict(line.split(" ", 1) for line in listed if not line.startswith("<none>"))
    return {reference: image for reference, image in tags.items() if reference.startswith(IMAGES) and not reference.endswith(":<none>")}


def of_volumes():
    """The names of all, with the anonymous ones that a container leaves behind."""
    return sorted(run("docker", "volume", "ls", "-q").stdout.split())


def of_directory(application):
    """The application's directory but for data/: the Compose file, .env, an override file that should not be there."""
    entries = {}
    for path in sorted(application.directory.iterdir()):
        if path != application.data:
            entries[path.name] = {**of_file(path), "bytes": path.read_text() if path.is_file() else None}
            del entries[path.name]["mtime"]
    return entries


def take(application, database=True):
    """The whole fingerprint; database=False leaves the database out (it is fenced, or down)."""
    return {"data": of_files(application.data), "project": of_directory(application), "containers": of_containers(application),
            "tags": of_tags(), "volumes": of_volumes(), **(of_database(application) if database else {})}


def differences(before, after, ignore=VOLATILE, only=None, pinned=False):
    """Sentences on what differs. `ignore` names relations whose content may differ (their definition may not); `only` limits it to these
    parts. pinned=True: image scalars in the project's files may differ, and so may the files' hash and size."""
    said = []
    for part in only or before:
        said += compare(part, normalized(before[part], part, ignore, pinned), normalized(after.get(part), part, ignore, pinned))
    return said


def normalized(value, part, ignore, pinned):
    value = json.loads(json.dumps(value))
    if part == "relations":
        for relation in ignore:
            value.get(relation, {}).pop("content", None)
    if part == "project" and pinned:
        for entry in value.values():
            for key in ("sha256", "size"):
                entry.pop(key, None)
            if entry.get("bytes"):
                entry["bytes"] = [line if "image:" not in line else line.split("image:")[0] + "image:"
                                  for line in entry["bytes"].splitlines()]
    return value


def compare(where, before, after):
    if isinstance(before, dict) and isinstance(after, dict):
        said = []
        for key in sorted({*before, *after}):
            if key not in after:
                said.append(f"{where}: {key} is gone")
            elif key not in before:
                said.append(f"{where}: {key} is new")
            else:
                said += compare(f"{where}: {key}", before[key], after[key])
        return said
    return [] if before == after else [f"{where}: was {shorten(before)}, is {shorten(after)}"]


def shorten(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"


def summary(fingerprint, ignore=VOLATILE):
    """A few lines for a person; `ignore` as in differences()."""
    relations = {name: value for name, value in fingerprint.get("relations", {}).items() if name not in ignore}
    tables = {name: value["content"] for name, value in relations.items() if len(value["content"]) == 2 and isinstance(value["content"][1], str)}
    files = [entry for entry in fingerprint["data"].values() if entry["type"] == "-"]
    content = hashlib.sha256(json.dumps(relations, sort_keys=True).encode())
    data = hashlib.sha256(json.dumps(fingerprint["data"], sort_keys=True).encode())
    return {"tables": len(tables), "rows": sum(value[0] for value in tables.values()), "database": content.hexdigest()[:16],
            "files": len(files), "bytes": sum(entry["size"] for entry in files), "data": data.hexdigest()[:16],
            "images": {value["service"]: value["image"].removeprefix("sha256:")[:12] for value in fingerprint["containers"].values()},
            "versions": {value["service"]: value["version"] for value in fingerprint["containers"].values()}}


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "/srv")
    application = Application(root)
    application.password = next(line.split("=", 1)[1] for line in (application.directory / ".env").read_text().splitlines()
                                if line.startswith("POSTGRES_PASSWORD="))
    print(json.dumps(summary(take(application)), indent=2))


if __name__ == "__main__":
    main()
