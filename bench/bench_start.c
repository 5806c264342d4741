/* From the start of a server's process to its first answer: an HTTP hello on weft, beside a program
 * by hand that does the same. The program is this one, started anew.
 *
 *     bench_start [--help] */

#include "bench.h"
#include "floor/http_epoll.h"
#include "hello.h"
#include "server.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ASK "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* In the new program: its pipe is descriptor 3. */
static int serve(const char *which)
{
    struct server_ends ends = { .questions = 4, .reports = 3 };
    if (strcmp(which, "serve-weft") == 0)
        http_weft(ends);
    else if (strcmp(which, "serve-floor") == 0)
        http_epoll(ends);
    return 1;
}

static void become(const char *which, int reports)
{
    int questions[2];
    bench_pin(-1);
    if (pipe(questions) < 0 || dup2(reports, 3) < 0 || dup2(questions[0], 4) < 0)
        _exit(1);
    execl("/proc/self/exe", "bench_start", which, (char *)NULL);
    _exit(1);
}

static void ask(int port)
{
    char answer[1024];
    int fd = server_dial(port);
    if (send(fd, ASK, strlen(ASK), MSG_NOSIGNAL) < 0 || recv(fd, answer, sizeof answer, 0) <= 0)
        die("no answer");
    close(fd);
}

/* Milliseconds. */
static double run(void *which)
{
    int reports[2], port;
    double start = bench_now_ns();
    if (pipe(reports) < 0)
        die("pipe");
    pid_t child = fork();
    if (child == 0)
        become(which, reports[1]);
    close(reports[1]);
    if (read(reports[0], &port, sizeof port) != sizeof port)
        die("the server has not begun");
    ask(port);
    double ms = (bench_now_ns() - start) / 1e6;
    close(reports[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return ms;
}

int main(int argc, char **argv)
{
    static char ours[] = "serve-weft", floor[] = "serve-floor";
    if (argc > 1 && strncmp(argv[1], "serve-", 6) == 0)
        return serve(argv[1]);
    bench_begin("start", argc, argv);
    bench_pin(0);
    bench_row("start/reply", "ms",
              (struct bench_side[]){ { "weft", NULL, run, ours },
                                     { "floor", "a loop by hand", run, floor },
                                     { .name = NULL } });
    return bench_end();
}
