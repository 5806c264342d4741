/* Fetch an URL to standard output, in pieces as they come: a film costs no more memory than a page.
 *
 *     fetch http://127.0.0.1:8080/product/7 */

#include <stdio.h>
#include <weft.h>
#include <weft/http.h>

static int save(weft_http_call *call)
{
    char buffer[16384];
    ssize_t n;
    while ((n = weft_http_call_read(call, buffer, sizeof buffer)) > 0)
        if (fwrite(buffer, 1, (size_t)n, stdout) < (size_t)n)
            break; /* whoever reads us is gone: the connection is closed, not read to its end */
    return (int)n;
}

static int fetch(void *url)
{
    weft_http_call call = { .url = url };
    int err = weft_arena_new(&call.arena, 0);
    if (err < 0)
        return err;

    err = weft_http_open(&call); /* the headers are there, the body is still to come */
    if (err >= 0)
        err = save(&call);
    if (err < 0)
        fprintf(stderr, "fetch: %s\n", call.detail);
    else if (call.status >= 400)
        fprintf(stderr, "fetch: the server answered %d\n", call.status);

    weft_http_call_close(&call);
    weft_arena_free(call.arena);
    return err < 0 || call.status >= 400 ? -1 : 0;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return fprintf(stderr, "usage: fetch URL\n"), 2;
    return weft_run(fetch, argv[1]) < 0;
}
