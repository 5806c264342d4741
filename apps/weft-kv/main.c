/* weft-kv: a server of Redis's commands, in memory, in one thread. */

#include "kv.h"

#include "base/random.h"
#include "weft-kv/memory.h"

#include <weft.h>

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: weft-kv [--port N] [--bind ADDRESS] [--unix PATH]\n"
    "\n"
    "Keys and values for whoever speaks Redis's protocol, kept in memory.\n"
    "\n"
    "  --port N         6379; 0: any that is free\n"
    "  --bind ADDRESS   127.0.0.1\n"
    "  --unix PATH      a Unix socket instead\n"
    "  --help, --version\n"
    "\n"
    "It prints the address that it serves, and ends by SHUTDOWN, Ctrl-C or SIGTERM.\n";

struct options {
    char address[256];
};

static void say_where(weft_listener *listener)
{
    const char *address = weft_listener_address(listener);
    printf(strncmp(address, "unix:", 5) == 0 ? "%s\n" : "redis://%s\n", address);
    fflush(stdout);
}

static int serve(void *arg)
{
    const struct options *options = arg;
    weft_listener *listener;
    struct kv kv;
    int err = weft_redis_listen(&listener, options->address);
    if (err < 0)
        return err;
    say_where(listener);
    kv_memory_keep();
    err = kv_init(&kv, wf_random_entropy());
    if (err == 0)
        err = kv_serve(&kv, listener);
    kv_fini(&kv);
    weft_listener_close(listener);
    return err == -ECANCELED ? 0 : err;
}

static _Noreturn void stop(int status, const char *text)
{
    fputs(text, status ? stderr : stdout);
    exit(status);
}

static void read_options(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        { "port", required_argument, NULL, 'p' }, { "bind", required_argument, NULL, 'b' },
        { "unix", required_argument, NULL, 'u' }, { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },    { NULL, 0, NULL, 0 }
    };
    const char *port = "6379", *host = "127.0.0.1", *path = NULL;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'p')
            port = optarg;
        else if (option == 'b')
            host = optarg;
        else if (option == 'u')
            path = optarg;
        else if (option == 'v')
            stop(0, "weft-kv " WEFT_VERSION "\n");
        else
            stop(option == 'h' ? 0 : 2, usage);
    }
    if (optind < argc || strspn(port, "0123456789") != strlen(port) || atoi(port) > 65535)
        stop(2, usage);
    bool is_v6 = strchr(host, ':') != NULL && host[0] != '[';
    if (path)
        snprintf(options->address, sizeof options->address, "unix:%s", path);
    else
        snprintf(options->address, sizeof options->address, is_v6 ? "[%s]:%s" : "%s:%s", host,
                 port);
}

int main(int argc, char **argv)
{
    struct options options;
    read_options(&options, argc, argv);
    int err = weft_run(serve, &options);
    if (err < 0 && err != -ECANCELED)
        fprintf(stderr, "weft-kv: %s: %s\n", options.address, weft_error_text(err));
    return err < 0 && err != -ECANCELED;
}
