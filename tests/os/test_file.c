/* Files: the calls, on every driver with the same answers; and what cancels, limits and full disks
 * do to them. */

#include "os_test.h"

#include "io/fault.h"
#include "io/file.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/file.h>

/* One log for each driver. */

static char story[1 << 14];

static void say(const char *what, int64_t result)
{
    size_t used = strlen(story);
    snprintf(story + used, sizeof story - used, "%s: %s\n", what,
             result < 0 ? weft_error_name((int)result) : "");
    if (result >= 0)
        snprintf(story + strlen(story) - 1, sizeof story - strlen(story), "%lld\n",
                 (long long)result);
}

#define SAY(call) say(#call, (call))

/* A descriptor's number is nobody's business. */
static int opened(const char *what, int fd)
{
    say(what, fd < 0 ? fd : 0);
    return fd;
}

#define OPENED(call) opened(#call, (call))

static int transfers(int fd)
{
    char text[64] = { 0 };
    char a[3], b[5];
    struct iovec in[] = { { a, 3 }, { NULL, 0 }, { b, 5 } };
    struct iovec out[] = { { (char *)"one ", 4 }, { (char *)"", 0 }, { (char *)"two", 3 } };
    SAY(weft_file_write_at(fd, "hello, file", 11, 0));
    SAY(weft_file_read_at(fd, text, sizeof text, 0));
    assert_string_equal(text, "hello, file");
    SAY(weft_file_read_at(fd, text, 4, 7));
    assert_memory_equal(text, "file", 4);
    SAY(weft_file_read_at(fd, text, 4, 11));
    SAY(weft_file_read_at(fd, text, 4, 1 << 20));
    SAY(weft_file_read_at(fd, text, 0, 0));
    SAY(weft_file_writev_at(fd, out, 3, 100));
    SAY(weft_file_readv_at(fd, in, 3, 100));
    assert_memory_equal(a, "one", 3);
    assert_memory_equal(b, " two", 4);
    SAY(weft_file_readv_at(fd, in, 0, 0));
    SAY(weft_file_write_at(fd, "pos", 3, WEFT_FILE_POSITION));
    SAY(weft_file_write_at(fd, "ition", 5, WEFT_FILE_POSITION));
    SAY(weft_file_read_at(fd, text, 3, WEFT_FILE_POSITION));
    SAY(weft_file_read_at(fd, text, 8, 0));
    assert_memory_equal(text, "position", 8);
    SAY(weft_file_read_at(fd, text, 3, -2));
    SAY(weft_file_write_at(fd, "far", 3, INT64_C(5) << 31));
    SAY(weft_file_read_at(fd, text, 10, INT64_C(5) << 31));
    assert_memory_equal(text, "far", 3);
    return 0;
}

static void wholes(int fd)
{
    weft_file_info info;
    SAY(weft_file_truncate(fd, 4096));
    SAY(weft_file_stat_fd(fd, &info));
    SAY((int64_t)info.size);
    SAY(weft_file_allocate(fd, 0, 16384, 0));
    SAY(weft_file_stat_fd(fd, &info));
    SAY((int64_t)info.size);
    SAY(weft_file_allocate(fd, 16384, 4096, WEFT_ALLOCATE_KEEP_SIZE));
    SAY(weft_file_allocate(fd, 0, 4096, WEFT_ALLOCATE_PUNCH));
    SAY(weft_file_allocate(fd, -1, 4096, 0));
    SAY(weft_file_truncate(fd, -1));
    SAY(weft_file_advise(fd, 0, 0, WEFT_ADVISE_SEQUENTIAL));
    SAY(weft_file_advise(fd, 0, INT64_C(1) << 40, WEFT_ADVISE_WILL_NEED));
    SAY(weft_file_advise(fd, 0, 0, (enum weft_advice)99));
    SAY(weft_file_advise(fd, 0, -1, WEFT_ADVISE_NORMAL));
    SAY(weft_file_sync(fd));
    SAY(weft_file_sync_data(fd));
}

static void names(void)
{
    weft_file_info info;
    SAY(weft_file_mkdir(in_folder("sub"), 0));
    SAY(weft_file_mkdir(in_folder("sub"), 0));
    SAY(weft_file_mkdir(in_folder("no/sub"), 0));
    SAY(weft_file_stat(in_folder("sub"), &info));
    assert_true(S_ISDIR(info.mode));
    SAY(weft_file_stat(in_folder("nothing"), &info));
    SAY(symlink("sub", in_folder("link")));
    SAY(weft_file_stat_link(in_folder("link"), &info));
    assert_true(S_ISLNK(info.mode));
    SAY(weft_file_stat(in_folder("link"), &info));
    assert_true(S_ISDIR(info.mode));
    SAY(weft_file_rename(in_folder("a"), in_folder("b"), 0));
    SAY(weft_file_rename(in_folder("a"), in_folder("c"), 0));
    SAY(weft_file_rename(in_folder("b"), in_folder("sub"), 0));
    SAY(weft_file_rename(in_folder("b"), in_folder("link"), WEFT_RENAME_KEEP));
    SAY(weft_file_rename(in_folder("b"), in_folder("link"), WEFT_RENAME_EXCHANGE));
    SAY(weft_file_stat_link(in_folder("link"), &info));
    assert_true(S_ISREG(info.mode));
    SAY(weft_file_unlink(in_folder("sub")));
    SAY(weft_file_unlink(in_folder("link")));
    SAY(weft_file_unlink(in_folder("link")));
    SAY(weft_file_rmdir(in_folder("b")));
    SAY(weft_file_rmdir(folder));
    SAY(weft_file_rmdir(in_folder("sub")));
    SAY(weft_file_rmdir(in_folder("sub")));
}

static void refusals(void)
{
    char text[8];
    int fd = OPENED(weft_file_open(in_folder("ro"), O_RDONLY | O_CREAT, .mode = 0400));
    SAY(weft_file_write_at(fd, "x", 1, 0));
    SAY(weft_file_truncate(fd, 0));
    SAY(weft_file_lock(fd, WEFT_LOCK_EXCLUSIVE));
    SAY(weft_file_close(fd));
    SAY(weft_file_close(-1));
    SAY(weft_file_close(9999));
    SAY(weft_file_read_at(9999, text, 8, 0));
    SAY(weft_file_write_at(9999, text, 8, 0));
    SAY(weft_file_sync(9999));
    SAY(weft_file_stat_fd(9999, &(weft_file_info){ 0 }));
    SAY(weft_file_truncate(9999, 0));
    SAY(weft_file_allocate(9999, 0, 1, 0));
    SAY(weft_file_advise(9999, 0, 1, WEFT_ADVISE_NORMAL));
    OPENED(weft_file_open(in_folder("nothing"), O_RDONLY));
    OPENED(weft_file_open(in_folder("ro"), O_RDWR | O_CREAT | O_EXCL));
    OPENED(weft_file_open(in_folder("ro/x"), O_RDONLY));
    OPENED(weft_file_open(folder, O_RDWR));
    fd = OPENED(weft_file_open(folder, O_RDONLY | O_DIRECTORY));
    SAY(weft_file_read_at(fd, text, 8, 0));
    SAY(weft_file_sync(fd));
    SAY(weft_file_close(fd));
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    SAY(weft_file_read_at(pipes[0], text, 8, 0));
    SAY(weft_file_write_at(pipes[1], "not", 3, 0));
    SAY(weft_file_write_at(pipes[1], "through", 7, WEFT_FILE_POSITION));
    SAY(weft_file_read_at(pipes[0], text, 8, WEFT_FILE_POSITION));
    SAY(weft_file_sync(pipes[0]));
    SAY(weft_file_truncate(pipes[0], 1));
    SAY(weft_file_close(pipes[1]));
    SAY(weft_file_read_at(pipes[0], text, 8, WEFT_FILE_POSITION));
    SAY(weft_file_close(pipes[0]));
}

static void appending(void)
{
    char text[16] = { 0 };
    int fd = OPENED(weft_file_open(in_folder("log"), O_RDWR | O_CREAT | O_APPEND));
    SAY(weft_file_write_at(fd, "one", 3, 0));
    SAY(weft_file_write_at(fd, "two", 3, 0));
    SAY(weft_file_read_at(fd, text, 16, 0));
    assert_string_equal(text, "onetwo");
    SAY(weft_file_close(fd));
}

static void copies(void)
{
    static char data[100000], back[100000];
    memset(data, 'c', sizeof data);
    int from = OPENED(weft_file_open(in_folder("from"), O_RDWR | O_CREAT));
    int to = OPENED(weft_file_open(in_folder("to"), O_RDWR | O_CREAT));
    SAY(weft_file_write_at(from, data, sizeof data, 0));
    SAY(weft_file_copy(from, 10, to, 20, 50000));
    SAY(weft_file_copy(from, 90000, to, 0, 50000));
    SAY(weft_file_copy(from, 100000, to, 0, 10));
    SAY(weft_file_copy(from, 0, to, 0, 0));
    SAY(weft_file_copy(from, 0, to, 0, -1));
    SAY(weft_file_copy(from, 0, 9999, 0, 10));
    SAY(weft_file_read_at(to, back, sizeof back, 0));
    assert_memory_equal(back, data, 50020);
    int elsewhere = memfd_create("elsewhere", MFD_CLOEXEC);
    SAY(weft_file_copy(from, 0, elsewhere, 5, sizeof data));
    SAY(weft_file_read_at(elsewhere, back, sizeof back, 5));
    assert_memory_equal(back, data, sizeof data);
    SAY(weft_file_close(elsewhere));
    SAY(weft_file_close(from));
    SAY(weft_file_close(to));
}

static void mappings(void)
{
    char *memory = NULL;
    char text[4];
    int fd = OPENED(weft_file_open(in_folder("map"), O_RDWR | O_CREAT));
    SAY(weft_file_truncate(fd, 8192));
    SAY(weft_file_map((void **)&memory, fd, 8192, .write = true, .populate = true));
    memcpy(memory + 4096, "mapped", 6);
    SAY(weft_file_map_sync(memory, 8192));
    SAY(weft_file_map_sync(memory + 1, 8192));
    SAY(weft_file_read_at(fd, text, 4, 4096));
    assert_memory_equal(text, "mapp", 4);
    SAY(weft_file_unmap(memory, 8192));
    SAY(weft_file_map((void **)&memory, fd, 4096, .offset = 4096, .write = true, .copy = true));
    memory[0] = 'X';
    SAY(weft_file_read_at(fd, text, 4, 4096));
    assert_memory_equal(text, "mapp", 4);
    SAY(weft_file_unmap(memory, 4096));
    SAY(weft_file_map((void **)&memory, fd, 0));
    SAY(weft_file_map((void **)&memory, fd, 4096, .offset = 1));
    SAY(weft_file_map((void **)&memory, 9999, 4096));
    SAY(weft_file_close(fd));
}

static int story_main(void *arg)
{
    (void)arg;
    int fd = OPENED(weft_file_open(in_folder("a"), O_RDWR | O_CREAT | O_EXCL, .mode = 0640));
    weft_file_info info;
    SAY(weft_file_stat_fd(fd, &info));
    SAY(info.mode);
    SAY(info.links);
    assert_true(info.modified > 0 && info.user == geteuid() && info.inode > 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(info.device == status.st_dev && info.inode == status.st_ino);
    transfers(fd);
    wholes(fd);
    SAY(weft_file_close(fd));
    names();
    refusals();
    appending();
    copies();
    mappings();
    return 0;
}

/* What the system calls say, whoever makes them: a part, so that two that are wrong are found. */
static const char *const expected[] = {
    "info.mode: 33184\n",
    "weft_file_read_at(fd, text, sizeof text, 0): 11\n",
    "weft_file_read_at(fd, text, 4, 11): 0\n",
    "weft_file_writev_at(fd, out, 3, 100): 7\n",
    "weft_file_read_at(fd, text, 10, INT64_C(5) << 31): 3\n",
    "weft_file_truncate(fd, -1): EINVAL\n",
    "weft_file_mkdir(in_folder(\"no/sub\"), 0): ENOENT\n",
    "weft_file_rename(in_folder(\"b\"), in_folder(\"link\"), WEFT_RENAME_KEEP): EEXIST\n",
    "weft_file_rmdir(folder): ENOTEMPTY\n",
    "weft_file_close(9999): EBADF\n",
    "weft_file_read_at(pipes[0], text, 8, 0): ESPIPE\n",
    "weft_file_advise(fd, 0, -1, WEFT_ADVISE_NORMAL): EINVAL\n",
    "weft_file_write_at(pipes[1], \"not\", 3, 0): ESPIPE\n",
    "weft_file_copy(from, 0, to, 0, -1): EINVAL\n",
    "weft_file_copy(from, 90000, to, 0, 50000): 10000\n",
    "weft_file_map((void **)&memory, fd, 4096, .offset = 1): EINVAL\n",
};

static void run_story(const char *backend, char *kept)
{
    mode_t before = umask(022);
    story[0] = '\0';
    assert_int_equal(weft_run(story_main, NULL, .clock = WEFT_CLOCK_TEST, .no_signals = true,
                              .backend = backend),
                     0);
    umask(before);
    strcpy(kept, story);
}

static bool has_ring(void)
{
    weft_loop *loop;
    if (weft_loop_new(&loop, .backend = "uring") < 0)
        return false;
    weft_loop_free(loop);
    return true;
}

static void test_file_calls_answer_alike_on_all_drivers(void **state)
{
    (void)state;
    static char epoll[sizeof story], uring[sizeof story];
    static const char *const masks[] = { "", "5.15", "6.1", "6.6" };
    run_story("epoll", epoll);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(epoll, expected[i]))
            fail_msg("not said: %s", expected[i]);
    const char *before = getenv("WEFT_URING_MASK");
    for (size_t i = 0; i < 4 && !before && has_ring(); i++) {
        char command[160];
        snprintf(command, sizeof command, "rm -rf '%s' && mkdir '%s'", folder, folder);
        assert_int_equal(system(command), 0);
        setenv("WEFT_URING_MASK", masks[i], 1);
        run_story("uring", uring);
        assert_string_equal(uring, epoll);
    }
    if (!before)
        unsetenv("WEFT_URING_MASK");
}

/* Transfers. */

#define PAGE  4096
#define PAGES 256

static void fill(char *page, unsigned number)
{
    for (unsigned i = 0; i < PAGE; i++)
        page[i] = (char)(number * 31 + i * 7);
}

struct crowd {
    int fd;
    unsigned next;
    unsigned read;
};

/* Each page is read by somebody, and is what was written there. */
static int read_pages(void *arg)
{
    struct crowd *crowd = arg;
    char page[PAGE], wanted[PAGE];
    while (crowd->next < PAGES) {
        unsigned number = crowd->next++;
        assert_int_equal(weft_file_read_at(crowd->fd, page, PAGE, (int64_t)number * PAGE), PAGE);
        fill(wanted, number);
        assert_memory_equal(page, wanted, PAGE);
        crowd->read++;
    }
    return 0;
}

static int crowd_main(void *arg)
{
    int flags = *(int *)arg;
    struct crowd crowd = { .fd = weft_file_open(in_folder("pages"), O_RDWR | O_CREAT) };
    char page[PAGE];
    assert_true(crowd.fd >= 0);
    for (unsigned i = 0; i < PAGES; i++) {
        fill(page, i);
        assert_int_equal(weft_file_write_at(crowd.fd, page, PAGE, (int64_t)i * PAGE), PAGE);
    }
    assert_int_equal(weft_file_sync(crowd.fd), 0);
    weft_file_advise(crowd.fd, 0, 0, WEFT_ADVISE_DONT_NEED);
    weft_file_close(crowd.fd);
    crowd.fd = weft_file_open(in_folder("pages"), flags);
    weft_scope s;
    weft_scope_begin(&s);
    for (int i = 0; i < 32; i++)
        weft_spawn(&s, read_pages, &crowd);
    assert_int_equal(weft_scope_end(&s), 0);
    assert_int_equal(crowd.read, PAGES);
    return weft_file_close(crowd.fd);
}

static void test_file_thirty_two_read_at_once(void **state)
{
    (void)state;
    assert_int_equal(run(crowd_main, &(int){ O_RDONLY }), 0);
}

static int large_main(void *arg)
{
    (void)arg;
    enum { SIZE = 3 << 20 };
    char *data = malloc(SIZE), *back = malloc(SIZE);
    int fd = weft_file_open(in_folder("large"), O_RDWR | O_CREAT);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 13 >> 3);
    assert_int_equal(weft_file_write_at(fd, data, SIZE, 0), SIZE);
    assert_int_equal(weft_file_read_at(fd, back, SIZE, 0), SIZE);
    assert_memory_equal(data, back, SIZE);
    free(data);
    free(back);
    return weft_file_close(fd);
}

static void test_file_what_is_large_goes_whole(void **state)
{
    (void)state;
    assert_int_equal(run(large_main, NULL), 0);
}

/* One that moves at most three bytes in each call. */
static int pieces_main(void *arg)
{
    (void)arg;
    char a[5], b[1], c[4];
    struct iovec out[] = { { (char *)"12345", 5 }, { (char *)"", 0 }, { (char *)"67890", 5 } };
    struct iovec in[] = { { a, 5 }, { b, 1 }, { c, 4 } };
    int fd = weft_file_open(in_folder("pieces"), O_RDWR | O_CREAT);
    struct wf_io_fault fault = {
        .kind = WF_FAULT_SHORT_SEND, .countdown = 1, .persistent = true, .bytes_max = 3
    };
    wf_io_fault_set(&fault);
    assert_int_equal(weft_file_writev_at(fd, out, 3, 7), 10);
    fault.kind = WF_FAULT_SHORT_RECV;
    assert_int_equal(weft_file_readv_at(fd, in, 3, 7), 10);
    wf_io_fault_set(NULL);
    assert_true(fault.injected >= 6);
    assert_memory_equal(a, "12345", 5);
    assert_memory_equal(b, "6", 1);
    assert_memory_equal(c, "7890", 4);
    return weft_file_close(fd);
}

static void test_file_short_transfers_go_on(void **state)
{
    (void)state;
    assert_int_equal(run(pieces_main, NULL), 0);
}

/* More pieces than one call takes, and a size that no memory has. */
static int many_pieces_main(void *arg)
{
    (void)arg;
    enum { COUNT = 3 * IOV_MAX };
    static char letters[COUNT], back[COUNT];
    static struct iovec out[COUNT], in[COUNT];
    for (int i = 0; i < COUNT; i++) {
        letters[i] = (char)('a' + i % 26);
        out[i] = (struct iovec){ &letters[i], 1 };
        in[i] = (struct iovec){ &back[i], 1 };
    }
    int fd = weft_file_open(in_folder("many"), O_RDWR | O_CREAT);
    assert_int_equal(weft_file_writev_at(fd, out, COUNT, 0), COUNT);
    assert_int_equal(weft_file_readv_at(fd, in, COUNT, 0), COUNT);
    assert_memory_equal(back, letters, COUNT);
    assert_int_equal(weft_file_read_at(fd, back, SIZE_MAX, 10), COUNT - 10);
    assert_memory_equal(back, letters + 10, COUNT - 10);
    return weft_file_close(fd);
}

static void test_file_more_than_a_call_takes_goes_in_several(void **state)
{
    (void)state;
    assert_int_equal(run(many_pieces_main, NULL), 0);
}

static int note_turn(void *arg)
{
    (void)arg;
    note("turn");
    return 0;
}

/* Who always gets an answer at once lets others run before it has made a budget's calls. */
static int ends_main(void *arg)
{
    weft_scope s;
    char text[4];
    int calls = 0, fd = weft_file_open(in_folder("e"), O_RDWR | O_CREAT);
    (void)arg;
    weft_sleep(0);
    weft_scope_begin(&s);
    weft_spawn(&s, note_turn, NULL);
    for (; trace[0] == '\0' && calls < 10000; calls++)
        assert_int_equal(weft_file_read_at(fd, text, 4, 0), 0);
    assert_in_range(calls, 1, WF_TASK_BUDGET / WF_TRANSFER_COST + 1);
    weft_scope_end(&s);
    return weft_file_close(fd);
}

static void test_file_who_reads_at_the_end_lets_others_run(void **state)
{
    (void)state;
    assert_int_equal(run(ends_main, NULL), 0);
}

/* What was done before an error is told, and then the error. */
static int limit_main(void *arg)
{
    (void)arg;
    char data[300] = { 0 };
    int fd = weft_file_open(in_folder("limited"), O_RDWR | O_CREAT);
    struct rlimit before, limit;
    getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = 100;
    setrlimit(RLIMIT_FSIZE, &limit);
    ssize_t part = weft_file_write_at(fd, data, sizeof data, 0);
    ssize_t then = weft_file_write_at(fd, data, sizeof data, 100);
    int beyond = weft_file_truncate(fd, 200);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(part, 100);
    assert_int_equal(then, -EFBIG);
    assert_int_equal(beyond, -EFBIG);
    int full = weft_file_open("/dev/full", O_WRONLY);
    assert_int_equal(weft_file_write_at(full, data, sizeof data, 0), -ENOSPC);
    weft_file_close(full);
    return weft_file_close(fd);
}

/* SIGPIPE stands at its default: it would kill. */
static int broken_main(void *arg)
{
    (void)arg;
    int pipes[2];
    if (pipe(pipes) < 0)
        return 1;
    close(pipes[0]);
    ssize_t n = weft_file_write_at(pipes[1], "x", 1, WEFT_FILE_POSITION);
    return n == -EPIPE ? 0 : 2;
}

static int write_broken(void)
{
    signal(SIGPIPE, SIG_DFL);
    return run(broken_main, NULL);
}

static void test_file_a_broken_pipe_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(exit_status(write_broken), 0);
}

static int ages_main(void *arg)
{
    (void)arg;
    struct timespec times[] = { { .tv_sec = INT64_C(1) << 40 }, { .tv_sec = INT64_C(1) << 33 } };
    struct stat kept;
    weft_file_info info;
    int fd = memfd_create("ages", MFD_CLOEXEC);
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(fstat(fd, &kept), 0);
    assert_int_equal(weft_file_stat_fd(fd, &info), 0);
    if (kept.st_atim.tv_sec == times[0].tv_sec)
        assert_true(info.accessed == INT64_MAX);
    assert_true(info.modified == kept.st_mtim.tv_sec * SECOND + kept.st_mtim.tv_nsec);
    return weft_file_close(fd);
}

static void test_file_times_beyond_the_range_are_its_end(void **state)
{
    (void)state;
    assert_int_equal(run(ages_main, NULL), 0);
}

static void test_file_a_part_is_told_and_then_the_error(void **state)
{
    (void)state;
    assert_int_equal(run(limit_main, NULL), 0);
}

/* Cancels. */

struct written {
    int fd;
    ssize_t result;
};

static int write_thousand(void *arg)
{
    static const char data[1000];
    struct written *w = arg;
    w->result = weft_file_write_at(w->fd, data, sizeof data, 0);
    return 0;
}

/* One byte in each call: the cancel comes to one of the first. */
static int between_main(void *arg)
{
    (void)arg;
    struct written w = { .fd = weft_file_open(in_folder("b"), O_RDWR | O_CREAT) };
    struct wf_io_fault fault = {
        .kind = WF_FAULT_SHORT_SEND, .countdown = 1, .persistent = true, .bytes_max = 1
    };
    weft_scope s;
    struct stat status;
    wf_io_fault_set(&fault);
    weft_scope_begin(&s);
    weft_spawn(&s, write_thousand, &w);
    do
        weft_sleep(0);
    while (fstat(w.fd, &status) == 0 && status.st_size < 2);
    weft_scope_cancel(&s, "the test");
    weft_scope_end(&s);
    wf_io_fault_set(NULL);
    assert_in_range(w.result, 2, 999);
    assert_int_equal(fstat(w.fd, &status), 0);
    assert_int_equal(status.st_size, w.result);
    return weft_file_close(w.fd);
}

static void test_file_a_cancel_ends_a_transfer_between_two_calls(void **state)
{
    (void)state;
    assert_int_equal(run(between_main, NULL), 0);
}

struct pipe_read {
    int pipes[2];
    ssize_t result;
    bool read;
};

static int read_pipe(void *arg)
{
    struct pipe_read *r = arg;
    char text[8];
    r->result = weft_file_read_at(r->pipes[0], text, sizeof text, WEFT_FILE_POSITION);
    r->read = true;
    return 0;
}

static int cancelled_main(void *arg)
{
    (void)arg;
    struct pipe_read r = { .result = 1 };
    assert_int_equal(pipe(r.pipes), 0);
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, read_pipe, &r);
    weft_sleep(0);
    weft_scope_cancel(&s, "the test");
    weft_sleep(0);
    assert_int_equal(write(r.pipes[1], "late", 4), 4); /* a thread is in the middle of reading */
    weft_scope_end(&s);
    assert_true(r.read);
    assert_true(r.result == 4 || r.result == -ECANCELED);
    char text[8];
    if (r.result == -ECANCELED) /* then nothing was taken */
        assert_int_equal(read(r.pipes[0], text, sizeof text), 4);
    close(r.pipes[0]);
    close(r.pipes[1]);
    return 0;
}

static void test_file_a_cancelled_read_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(cancelled_main, NULL), 0);
}

static int in_cancelled_main(void *arg)
{
    (void)arg;
    weft_scope s, others;
    char text[4];
    int fd = weft_file_open(in_folder("c"), O_RDWR | O_CREAT);
    int second = dup(fd), third = dup(fd);
    weft_scope_begin(&others);
    weft_spawn(&others, note_turn, NULL);
    weft_scope_begin(&s);
    weft_scope_cancel(&s, "the test");
    assert_int_equal(weft_file_close(second), 0);
    assert_int_equal(weft_file_close(third), 0);
    assert_string_equal(trace, ""); /* a cancel that is ignored costs a turn */
    assert_int_equal(weft_file_open(in_folder("d"), O_RDWR | O_CREAT), -ECANCELED);
    assert_int_equal(weft_file_read_at(fd, text, 4, 0), -ECANCELED);
    assert_int_equal(weft_file_unlink(in_folder("c")), -ECANCELED);
    assert_int_equal(weft_file_close(fd), 0);
    weft_scope_end(&s);
    weft_scope_end(&others);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    return 0;
}

static void test_file_a_cancelled_scope_closes_and_begins_nothing(void **state)
{
    (void)state;
    assert_int_equal(run(in_cancelled_main, NULL), 0);
    assert_int_equal(access(in_folder("d"), F_OK), -1);
}

static void test_file_outside_a_task_only_closing_works(void **state)
{
    (void)state;
    char text[4];
    int fd = open(in_folder("o"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(weft_file_open(in_folder("o"), O_RDONLY), -EPERM);
    assert_int_equal(weft_file_read_at(fd, text, 4, 0), -EPERM);
    assert_int_equal(weft_file_close(fd), 0);
    assert_int_equal(weft_file_close(fd), -EBADF);
    expect_log("outside a task");
}

/* A task that a hung file holds beyond the loop's end: its call goes on in memory that stays. */
static int read_shielded(void *arg)
{
    weft_scope s;
    weft_scope_begin(&s, .shield = true);
    read_pipe(arg);
    return weft_scope_end(&s);
}

static int leave_behind(void *arg)
{
    weft_spawn(weft_background(), read_shielded, arg);
    return weft_sleep(MILLISECOND);
}

static int abandoned(void)
{
    signal(SIGPIPE, SIG_IGN);
    static struct pipe_read r;
    int left = 1;
    if (pipe(r.pipes) < 0)
        return 1;
    int err =
        weft_run(leave_behind, &r, .no_signals = true, .grace = MILLISECOND, .backend = "epoll");
    if (err != WEFT_ESTUCK || r.read || write(r.pipes[1], "late", 4) != 4)
        return 2;
    while (left > 0 && ioctl(r.pipes[0], FIONREAD, &left) == 0)
        sched_yield();
    return run(broken_main, NULL); /* another loop of the same thread */
}

static void test_file_a_call_outlives_its_task_and_its_loop(void **state)
{
    (void)state;
    assert_int_equal(exit_status(abandoned), 0);
}

/* Locks. */

static int hold(void *arg)
{
    (void)arg;
    int fd = weft_file_open(in_folder("lock"), O_RDWR | O_CREAT);
    assert_int_equal(weft_file_lock(fd, WEFT_LOCK_EXCLUSIVE, .length = 10), 0);
    note("held ");
    weft_sleep(SECOND);
    note("freed ");
    assert_int_equal(weft_file_unlock(fd, 0, 10), 0);
    return weft_file_close(fd);
}

static int lock_main(void *arg)
{
    (void)arg;
    weft_scope s;
    int fd = weft_file_open(in_folder("lock"), O_RDWR | O_CREAT);
    weft_scope_begin(&s);
    weft_spawn(&s, hold, NULL);
    weft_sleep(SECOND / 2);
    assert_int_equal(weft_file_lock(fd, WEFT_LOCK_SHARED, .now = true), -EAGAIN);
    assert_int_equal(weft_file_lock(fd, WEFT_LOCK_EXCLUSIVE, .offset = 10), 0); /* beside it */
    weft_scope limit;
    weft_scope_begin(&limit, .timeout = SECOND / 10);
    assert_int_equal(weft_file_lock(fd, WEFT_LOCK_SHARED), -ECANCELED);
    assert_int_equal(weft_scope_end(&limit), -ETIMEDOUT);
    assert_int_equal(weft_file_lock(fd, WEFT_LOCK_SHARED), 0);
    note("mine");
    weft_file_close(fd); /* ends the locks */
    return weft_scope_end(&s);
}

static void test_file_locks_exclude_tasks_and_are_waited_for(void **state)
{
    (void)state;
    assert_int_equal(run(lock_main, NULL), 0);
    assert_string_equal(trace, "held freed mine");
}

/* Failures. */

static int failing_main(void *arg)
{
    struct wf_io_fault *fault = arg;
    char text[4];
    int fd = open(in_folder("f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    wf_io_fault_set(fault);
    assert_int_equal(weft_file_write_at(fd, "data", 4, 0), -EIO);
    fault->countdown = 1;
    assert_int_equal(weft_file_read_at(fd, text, 4, 0), -EIO);
    fault->countdown = 1;
    assert_int_equal(weft_file_sync(fd), -EIO);
    fault->countdown = 1;
    assert_int_equal(weft_file_rename("a", "b", 0), -EIO);
    fault->countdown = 1;
    fault->error = EAGAIN; /* as without a thread */
    assert_int_equal(weft_file_close(fd), -EAGAIN);
    wf_io_fault_set(NULL);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    return 0;
}

static void test_file_the_kernels_errors_are_told(void **state)
{
    (void)state;
    struct wf_io_fault fault = { .kind = WF_FAULT_FILE, .countdown = 1, .error = EIO };
    assert_int_equal(run(failing_main, &fault), 0);
    assert_int_equal(fault.injected, 5);
}

static int threadless_main(void *arg)
{
    struct wf_io_fault *fault = arg;
    wf_io_fault_set(fault);
    int fd = open(in_folder("t"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(weft_file_copy(fd, 0, fd, 100, 10), -EAGAIN);
    assert_int_equal(weft_file_close(fd), 0); /* by itself, if need be */
    wf_io_fault_set(NULL);
    return 0;
}

static void test_file_without_a_thread_what_needs_one_fails(void **state)
{
    (void)state;
    struct wf_io_fault fault = {
        .kind = WF_FAULT_THREAD, .countdown = 1, .persistent = true, .error = EAGAIN
    };
    assert_int_equal(run(threadless_main, &fault), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(test_file_calls_answer_alike_on_all_drivers),
        file_test(test_file_thirty_two_read_at_once),
        file_test(test_file_what_is_large_goes_whole),
        file_test(test_file_short_transfers_go_on),
        file_test(test_file_more_than_a_call_takes_goes_in_several),
        file_test(test_file_who_reads_at_the_end_lets_others_run),
        file_test(test_file_a_part_is_told_and_then_the_error),
        file_test(test_file_a_broken_pipe_is_an_error),
        file_test(test_file_times_beyond_the_range_are_its_end),
        file_test(test_file_a_cancel_ends_a_transfer_between_two_calls),
        file_test(test_file_a_cancelled_read_loses_nothing),
        file_test(test_file_a_cancelled_scope_closes_and_begins_nothing),
        file_test(test_file_outside_a_task_only_closing_works),
        file_test(test_file_a_call_outlives_its_task_and_its_loop),
        file_test(test_file_locks_exclude_tasks_and_are_waited_for),
        file_test(test_file_the_kernels_errors_are_told),
        file_test(test_file_without_a_thread_what_needs_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
