"""Releases of Tryton 7.0 for a server that runs 6.0: what is wrong with each, or only looks so, and where such a thing happened."""

import base64

from installed import Layered

PACKAGES = "/usr/lib/python3/dist-packages"
CLIENT = "/usr/share/tryton-sao/www"
SOSP = "SOSP 2021 (Zhang et al.): "
LONG = "[Watch]\nDuration=60s\n"


def file(path, text, append=False):
    return f"RUN echo {base64.b64encode(text.encode()).decode()} | base64 -d >{'>' if append else ''}{path}"


def code(module, text):
    """Python at the end of one of the server's own modules."""
    return file(f"{PACKAGES}/trytond/{module}", f"\n\n{text}\n", append=True)


def before(script):
    """Shell lines that run before the migration."""
    return file("/usr/local/lib/tryton/before.d/hook", script + "\n")


def after(script):
    return file("/usr/local/lib/tryton/after.d/hook", script + "\n")


def sql(statement):
    program = ("import os, psycopg2\nconnection = psycopg2.connect(os.environ['TRYTOND_DATABASE_URI'] + 'tryton')\n"
               f"connection.cursor().execute({statement!r})\nconnection.commit()\n")
    return file("/usr/local/lib/tryton/more.py", program) + "\n" + after("python3 /usr/local/lib/tryton/more.py")


def requests(text):
    """Python around each request: `number` counts them, `age` is the server's in seconds, `environ` is the request's, `refuse(status)` ends it."""
    lines = "\n".join("    " + line for line in text.splitlines())
    return code("wsgi.py", f'''import itertools
import time
_numbers, _began, _serve, _kept = itertools.count(1), time.monotonic(), app.wsgi_app, []


def _around(environ, start_response):
    def refuse(status):
        start_response(status, [("Content-Type", "text/plain")])
        return [b"unavailable"]
    number, age = next(_numbers), time.monotonic() - _began
{lines}
    return _serve(environ, start_response)


app.wsgi_app = _around''')


def bad(name, family, what, source, layer, **more):
    return Layered(f"7.0-{name}", True, family, what, source, layer=layer, **more)


def good(name, family, what, source, layer, **more):
    return Layered(f"7.0-{name}", False, family, what, source, layer=layer, **more)


RELEASES = (
    bad("module-missing", "start", "a module that the database has activated is not shipped any more", "odoo/docker#387 (modules are not loaded after an image upgrade)",
        f"RUN rm -rf {PACKAGES}/trytond/modules/company"),
    bad("own-database", "start", "does not read the variable with the database's address any more and starts on an empty SQLite file",
        SOSP + "configuration", before("export TRYTOND_DATABASE_URI=sqlite://\nsed 's#/var/lib/tryton#/tmp#' $configuration >/tmp/trytond.conf\n"
                                       "configuration=/tmp/trytond.conf\nconnects() { true; }\n"
                                       "printf 'Tq7-mLp9_rZw3' >/tmp/password\nexport TRYTONPASSFILE=/tmp/password\n"
                                       "touch /tmp/tryton.sqlite\ntrytond-admin -c $configuration -d tryton -u res party company --activate-dependencies --email a@b.example"),
        settings="[Watch]\nStartTimeout=80s\n"),
    bad("not-updated", "migration", "the server starts without the update of its database", "OCA/contract#179 (the module was not updated), docs.tryton.org/migration",
        "RUN sed -i '/^trytond-admin/d' /usr/local/bin/entrypoint"),
    bad("unique-violated", "migration", "a new unique index does not fit the data: the update ends in the middle",
        "OCA/OpenUpgrade#3846 (could not create unique index)",
        code("modules/party/party.py", '''_register_party = Party.__register__.__func__


def _register(cls, module_name):
    _register_party(cls, module_name)
    Transaction().connection.cursor().execute('CREATE UNIQUE INDEX party_of_kind ON party_party (active)')


Party.__register__ = classmethod(_register)''')),
    bad("parties-lost", "migration", "the update succeeds, and every second party is archived", "docs.tryton.org/migration (steps by hand that were left out)",
        sql("UPDATE party_party SET active = false WHERE id % 2 = 0")),
    bad("names-lost", "list", "the parties are listed without their names", SOSP + "data semantics", sql("UPDATE party_party SET name = NULL")),
    bad("wrong-encoding", "migration", "names are read as Latin-1 and stored as UTF-8 once more", SOSP + "data syntax",
        sql("UPDATE party_party SET name = convert_from(convert_to(name, 'UTF8'), 'LATIN1')")),
    bad("rights-lost", "login", "users log in and have lost their groups", "OCA/OpenUpgrade#1891, OCA/OpenUpgrade#5179",
        sql('DELETE FROM "res_user-res_group" WHERE "user" > 1')),
    bad("login-500", "login", "each login answers 500", "OCA/OpenUpgrade#936 (error at the login of a migrated database)",
        code("protocols/dispatcher.py", "def login(request, database_name, user, parameters, language=None):\n    raise RuntimeError('no such column')")),
    bad("session-not-taken", "login", "the login succeeds, and its session is refused", "metakgp/metakgp-wiki#86 (sessions lost with an upgrade)",
        code("security.py", "def check(dbname, user, session, context=None):\n    return None")),
    bad("everybody-in", "login", "any password is right", SOSP + "data semantics",
        code("res/user.py", "User.check_password = classmethod(lambda cls, password, hash_: (True, None))")),
    bad("error-in-200", "list", "searches answer 200 with an error inside", "JSON-RPC's way to tell an error; " + SOSP + "data syntax",
        code("protocols/dispatcher.py", '''_dispatch_all = _dispatch


def _dispatch(request, *args, **kwargs):
    if request.rpc_method.endswith('.search_read'):
        raise UserError('This field does not exist.')
    return _dispatch_all(request, *args, **kwargs)''')),
    bad("attachments-lost", "detail", "files of attachments are deleted at the start", "docker-library/postgres#1400 (another directory is shown as empty)",
        after("rm -rf /var/lib/tryton/*")),
    bad("one-in-six-hangs", "slow", "one request in six takes half a minute", SOSP + "performance",
        requests("if number % 6 == 0:\n    time.sleep(30)"), settings=LONG),
    bad("memory-leak", "resources", "keeps 16 MB of each request until it is killed for want of memory", SOSP + "resources",
        requests("_kept.append(bytearray(b'x' * (16 << 20)))"), settings=LONG),
    bad("client-missing", "frontend", "the web client's code is 404", "odoo/docker#387 (a blank page after the login)",
        f"RUN mv {CLIENT}/dist {CLIENT}/dist-7.0"),
    bad("blank-client", "frontend", "the web client is an empty page with status 200", "odoo/docker#387 (a blank page)",
        file(f"{CLIENT}/index.html", "<!DOCTYPE html>\n<html><head></head><body></body></html>")),
    bad("fails-after-40s", "delayed", "fine for 40 s, then each request is answered with 500", SOSP + "delayed",
        requests("if age > 40:\n    return refuse('500 Internal Server Error')"), settings=LONG),
    bad("each-third-fails", "flapping", "each third request fails", "one of several workers is broken",
        requests("if number % 3 == 0:\n    return refuse('503 Service Unavailable')")),

    good("plain", "harmless", "nothing", "Debian's 7.0", ""),
    good("slow-migration", "harmless", "the migration takes 20 s longer, in time", "docs.tryton.org/migration (\"may take some time\")",
         before("for n in $(seq 20); do echo \"updating part $n of 20\"; sleep 1; done")),
    good("noisy-log", "harmless", "harmless lines with error, failed and exception in them, deprecation warnings", "any release",
         after("echo 'ERROR: none, failed: 0, exceptions: 0' >&2; echo 'DeprecationWarning: crypt is deprecated and will fail to import in the future' >&2")),
    good("restarts-once", "harmless", "ends once because the database is not ready, and is started again by Docker",
         "ansible/awx#1680 (connection is tried too early)",
         before("if [ ! -e /usr/local/seen ]; then touch /usr/local/seen; echo 'the database is not ready'; sleep 1; exit 1; fi")),
    good("more-fields", "harmless", "answers have more members, in another order", "any release of an API",
         code("protocols/jsonrpc.py", '''_plain_response = JSONProtocol.response.__func__


def _response(cls, data, request):
    response = _plain_response(cls, data, request)
    try:
        answer = json.loads(response.get_data())
        response.set_data(json.dumps({"took": id(answer), "server": "7.0", **dict(reversed(list(answer.items())))}))
    except (AttributeError, ValueError):
        pass
    return response


JSONProtocol.response = classmethod(_response)''')),
    good("new-client", "harmless", "the web client has another page around it and code under new names as well", "any release of a front end",
         f"RUN cp {CLIENT}/dist/tryton-sao.min.js {CLIENT}/dist/tryton-sao.7c1f.min.js && sed -i"
         f" 's#</head>#<script src=\"dist/tryton-sao.7c1f.min.js\"></script><!-- no error failed --></head>#' {CLIENT}/index.html"),
    good("slow-first-requests", "harmless", "each request takes a second longer for the first 15 s", "caches are cold after an upgrade",
         requests("if age < 15:\n    time.sleep(1)")),
    good("one-hiccup", "harmless", "a single request is lost", "a worker that is recycled",
         requests("if number == 150:\n    return refuse('503 Service Unavailable')")),
)
