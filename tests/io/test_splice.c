/* From socket to socket through a pipe. */

#include "io_test.h"

#include "io/splice.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int sockets[2][2]; /* from: the peer, ours; to: ours, the peer */

static void open_sockets(void)
{
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets[i]), 0);
}

static void close_sockets(void)
{
    for (int i = 0; i < 4; i++)
        close(sockets[i / 2][i % 2]);
}

static void test_splice_moves_bytes_and_tells_the_end(void **state)
{
    (void)state;
    struct wf_splice pipe;
    char text[16] = "";
    open_sockets();
    assert_int_equal(wf_splice_open(&pipe), 0);
    assert_int_equal(wf_splice_take(&pipe, sockets[0][1], 100), -EAGAIN);
    assert_int_equal(send(sockets[0][0], "hello, world", 12, 0), 12);
    assert_int_equal(wf_splice_take(&pipe, sockets[0][1], 100), 12);
    wf_splice_read(&pipe, text, 7);
    assert_string_equal(text, "hello, ");
    assert_int_equal(pipe.size, 5);
    assert_int_equal(wf_splice_give(&pipe, sockets[1][0]), 5);
    assert_int_equal(pipe.size, 0);
    assert_int_equal(recv(sockets[1][1], text, sizeof text, 0), 5);
    assert_memory_equal(text, "world", 5);
    shutdown(sockets[0][0], SHUT_WR);
    assert_int_equal(wf_splice_take(&pipe, sockets[0][1], 100), 0);
    wf_splice_close(&pipe);
    wf_splice_close(&pipe);
    close_sockets();
}

static void test_splice_of_what_it_cannot(void **state)
{
    (void)state;
    struct wf_splice pipe;
    assert_int_equal(wf_splice_open(&pipe), 0);
    assert_int_equal(wf_splice_take(&pipe, -1, 100), -EBADF);
    int folder = open("/", O_RDONLY | O_CLOEXEC);
    assert_true(wf_splice_take(&pipe, folder, 100) < 0);
    close(folder);
    wf_splice_close(&pipe);
}

/* Beyond what a user may have in pipes there is none: a small one would be slower than none. Root
 * may have as many as he likes, so the child is somebody else. */
static int open_until_refused(void)
{
    static struct wf_splice pipes[1024];
    int fds = count_fds(), count = 0, err = 0;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        return 1;
    while (count < 1024 && (err = wf_splice_open(&pipes[count])) == 0)
        count++;
    if (err != -EPERM || count == 0)
        return 2;
    while (count > 0)
        wf_splice_close(&pipes[--count]);
    return count_fds() == fds ? 0 : 3;
}

static void test_splice_without_a_large_pipe_is_none(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        _exit(open_until_refused());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* SIGPIPE stands at its default: it would kill. One call sends in parts, so a peer that goes in its
 * middle raises it although the call answers with what has left. */

static pthread_barrier_t both;
static int rounds;

static void *close_the_peer(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        pthread_barrier_wait(&both);
        for (volatile int spin = i % 200 * 20; spin > 0; spin--)
            continue;
        close(sockets[1][1]);
        pthread_barrier_wait(&both);
    }
    return NULL;
}

static void fill(struct wf_splice *pipe)
{
    static char bytes[1 << 18];
    int size = 1 << 20;
    setsockopt(sockets[0][0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(sockets[1][0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    assert_true(send(sockets[0][0], bytes, sizeof bytes, 0) > 100000);
    assert_true(wf_splice_take(pipe, sockets[0][1], sizeof bytes) > 100000);
}

static void test_splice_to_a_peer_that_goes_raises_no_signal(void **state)
{
    (void)state;
    pthread_t thread;
    rounds = 2000;
    pthread_barrier_init(&both, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, close_the_peer, NULL), 0);
    for (int i = 0; i < rounds; i++) {
        struct wf_splice pipe;
        int64_t n = 1;
        open_sockets();
        assert_int_equal(wf_splice_open(&pipe), 0);
        fill(&pipe);
        pthread_barrier_wait(&both);
        while (pipe.size > 0 && n > 0)
            n = wf_splice_give(&pipe, sockets[1][0]);
        pthread_barrier_wait(&both);
        assert_true(n > 0 || n == -EPIPE || n == -ECONNRESET);
        wf_splice_close(&pipe);
        close(sockets[0][0]);
        close(sockets[0][1]);
        close(sockets[1][0]);
    }
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splice_moves_bytes_and_tells_the_end),
        cmocka_unit_test(test_splice_of_what_it_cannot),
        cmocka_unit_test(test_splice_without_a_large_pipe_is_none),
        cmocka_unit_test(test_splice_to_a_peer_that_goes_raises_no_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
