/* One loop per core: a server on all of them, with a counter for each that needs no lock, because
 * nothing of one loop is seen by another.
 *
 *     cores [ADDRESS [LOOPS]]        "127.0.0.1:7777" and a loop for each core unless given
 *
 * It prints the address it serves: `nc 127.0.0.1 7777` says which loop has taken you. Ctrl-C ends
 * it, and each loop says how many clients it had. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft.h>

/* Handlers of one loop take turns, and never run at the same time: ++ is enough. */
static int greet(weft_stream *client, void *arg)
{
    unsigned *count = arg;
    char text[64];
    int size = snprintf(text, sizeof text, "client %u of loop %u\n", ++*count, weft_loop_index());
    return weft_write(client, text, (size_t)size);
}

/* Runs once on each loop. All of them listen on the same address: idle loops take turns. */
static int serve(void *address)
{
    unsigned count = 0; /* this loop's own */
    weft_listener *listener;
    int err = weft_listen(&listener, address);
    if (err < 0)
        return err;
    if (weft_loop_index() == 0) {
        printf("%s\n", weft_listener_address(listener));
        fflush(stdout);
    }

    err = weft_serve_on(listener, greet, .arg = &count);
    weft_listener_close(listener);
    printf("loop %u of %u: %u clients\n", weft_loop_index(), weft_loop_count(), count);
    return err == -ECANCELED ? 0 : err;
}

int main(int argc, char **argv)
{
    char *address = argc > 1 ? argv[1] : "127.0.0.1:7777";
    long loops = argc > 2 ? atol(argv[2]) : sysconf(_SC_NPROCESSORS_ONLN);
    int err = weft_run(serve, address, .threads = (uint16_t)loops);
    if (err < 0)
        fprintf(stderr, "cores: %s: %s\n", address, weft_error_detail());
    return err < 0;
}
