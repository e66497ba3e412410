#pragma once

/* Warnings of the server, kept with their connection until it is ended. */

#include <libpq-fe.h>

/* From now on libpq prints nothing; server_notices() tells. Once per connection. */
void notices_attach(PGconn *connection);
