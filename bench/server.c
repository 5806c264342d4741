#include "server.h"

#include "base/memory.h"
#include "bench.h"
#include "core/loop.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weft.h>

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void close_between(int first, int last)
{
    if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
        return;
    long most = sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd <= last && fd < most; fd++)
        close(fd);
}

/* What the bench has open is not the server's: thousands of clients would count here as well. */
static void keep_only(int one, int other)
{
    int low = one < other ? one : other, high = one < other ? other : one;
    close_between(STDERR_FILENO + 1, low - 1);
    close_between(low + 1, high - 1);
    close_between(high + 1, INT_MAX);
}

void server_start(struct server *server, const char *name, void (*body)(struct server_ends ends))
{
    int questions[2], reports[2];
    fflush(stdout);
    if (pipe(questions) < 0 || pipe(reports) < 0 || (server->process = fork()) < 0)
        die("server");
    if (server->process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bench_pin(-1);
        keep_only(questions[0], reports[1]);
        body((struct server_ends){ questions[0], reports[1] });
        _exit(1);
    }
    server->name = name;
    server->questions = questions[1];
    server->reports = reports[0];
    close(questions[0]);
    close(reports[1]);
    if (read(server->reports, &server->port, sizeof server->port) != sizeof server->port ||
        (server->port != SERVER_NOT_HERE &&
         clock_getcpuclockid(server->process, &server->clock) != 0))
        die("the server has not begun");
}

void server_ready(struct server_ends ends, int port)
{
    if (write(ends.reports, &port, sizeof port) != sizeof port)
        die("report");
}

double server_cpu_ns(const struct server *server)
{
    struct timespec time;
    if (clock_gettime(server->clock, &time) < 0)
        die("the server has ended");
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double server_resident(const struct server *server)
{
    char path[64];
    unsigned long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)server->process);
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%*u %lu", &pages) != 1)
        die("the server has ended");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

struct server_report server_ask(const struct server *server)
{
    struct server_report report = { 0 };
    if (write(server->questions, "?", 1) != 1 ||
        read(server->reports, &report, sizeof report) != sizeof report)
        die("the server does not answer");
    return report;
}

void server_stop(struct server *server)
{
    kill(server->process, SIGKILL);
    waitpid(server->process, NULL, 0);
    close(server->questions);
    close(server->reports);
}

bool server_allow(unsigned long descriptors)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max >= descriptors)
        return true;
    limit.rlim_cur = limit.rlim_max = descriptors;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0; /* for who may */
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int server_dial(int port)
{
    struct sockaddr_in address = loopback(port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int server_listen(int *port)
{
    struct sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* who is accepted inherits it */
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 511) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        die("listen");
    *port = ntohs(address.sin_port);
    return fd;
}

/* On weft. */

struct weft_server {
    struct server_ends ends;
    int (*serve)(void *listener);
};

/* The answering task's own polls are controls; nothing else registers while clients stay. */
static uint64_t calls(void)
{
    const weft_loop *loop = weft_loop_current();
    const struct wf_io_counters *c = loop->io_ops->counters(loop->io);
    return c->waits + c->receives + c->sends + c->accepts + c->connects + c->others;
}

static int answer_questions(void *arg)
{
    const struct server_ends *ends = arg;
    char question;
    for (;;) {
        int err = weft_poll_fd(ends->questions, WEFT_READABLE);
        if (err < 0 || read(ends->questions, &question, 1) != 1)
            return err;
        weft_loop_stats stats;
        weft_loop_get_stats(weft_loop_current(), &stats);
        struct server_report report = { calls(), wf_memory_count(), stats.lent, stats.pinned };
        if (write(ends->reports, &report, sizeof report) != sizeof report)
            die("report");
    }
}

static int run(void *arg)
{
    struct weft_server *server = arg;
    weft_listener *listener;
    int err = weft_listen(&listener, "127.0.0.1:0");
    if (err < 0)
        return err;
    server_ready(server->ends, atoi(strrchr(weft_listener_address(listener), ':') + 1));
    weft_scope scope;
    weft_scope_begin(&scope);
    weft_spawn(&scope, answer_questions, &server->ends);
    err = weft_scope_leave(&scope, server->serve(listener));
    weft_listener_close(listener);
    return err;
}

void server_on_weft(struct server_ends ends, int (*serve)(void *listener))
{
    struct weft_server server = { ends, serve };
    int err = weft_run(run, &server);
    fprintf(stderr, "the server has ended: %s\n", weft_error_text(err));
}
