/* The floor of MariaDB: every row of a table over the binary protocol (a prepared statement), fetched and thrown away.
 *
 *   drain PORT DATABASE TABLE
 *
 * Rows are not stored first, so that memory stays small. Values longer than a buffer are cut, which costs nothing: the
 * packet has arrived whole by then. */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 8192 };

static int failed(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    return EXIT_FAILURE;
}

/* One buffer for each column, in the type in which the server sends it. */
static MYSQL_BIND *buffers(MYSQL_STMT *statement) {
    unsigned columns = mysql_stmt_field_count(statement);
    MYSQL_BIND *bind = calloc(columns, sizeof *bind);
    MYSQL_RES *about = mysql_stmt_result_metadata(statement);
    MYSQL_FIELD *fields = mysql_fetch_fields(about);
    for (unsigned i = 0; i < columns; i++) {
        bind[i].buffer_type = fields[i].type;
        bind[i].buffer_length = BUFFER;
        bind[i].buffer = malloc(BUFFER);
    }
    mysql_free_result(about);
    return bind;
}

int main(int count, char **words) {
    if (count != 4) return failed("usage", "drain PORT DATABASE TABLE");
    MYSQL *server = mysql_init(NULL);
    if (!mysql_real_connect(server, "127.0.0.1", "bench", "bench", words[2], atoi(words[1]), NULL, 0))
        return failed("cannot connect", mysql_error(server));
    char query[256];
    int length = snprintf(query, sizeof query, "select * from `%s`", words[3]);
    MYSQL_STMT *statement = mysql_stmt_init(server);
    if (mysql_stmt_prepare(statement, query, length) || mysql_stmt_execute(statement))
        return failed("cannot select", mysql_stmt_error(statement));
    if (mysql_stmt_bind_result(statement, buffers(statement)))
        return failed("cannot bind", mysql_stmt_error(statement));
    unsigned long rows = 0;
    int status;
    while ((status = mysql_stmt_fetch(statement)) == 0 || status == MYSQL_DATA_TRUNCATED) rows++;
    if (status != MYSQL_NO_DATA) return failed("cannot fetch", mysql_stmt_error(statement));
    printf("%lu rows\n", rows);
    mysql_stmt_close(statement);
    mysql_close(server);
    return EXIT_SUCCESS;
}
