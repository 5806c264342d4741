/* Folders: their entries, and watches. */

#include "os_test.h"

#include "base/memory.h"
#include "io/fault.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <weft/directory.h>
#include <weft/file.h>

/* Entries. */

#define MANY 3000

static int many_main(void *arg)
{
    (void)arg;
    static bool seen[MANY];
    weft_directory *d;
    weft_directory_entry entry;
    unsigned count = 0;
    int more;
    for (unsigned i = 0; i < MANY; i++) {
        char name[32];
        snprintf(name, sizeof name, "entry-%u", i);
        assert_int_equal(mkdir(in_folder(name), 0700), 0);
    }
    assert_int_equal(weft_directory_open(&d, folder), 0);
    while ((more = weft_directory_next(d, &entry)) > 0) {
        unsigned number = MANY;
        assert_int_equal(sscanf(entry.name, "entry-%u", &number), 1);
        assert_true(number < MANY && !seen[number]);
        assert_true(entry.inode != 0);
        assert_true(entry.type == WEFT_ENTRY_DIRECTORY || entry.type == WEFT_ENTRY_UNKNOWN);
        seen[number] = true;
        count++;
    }
    assert_int_equal(more, 0);
    assert_int_equal(weft_directory_next(d, &entry), 0);
    assert_int_equal(count, MANY);
    return weft_directory_close(d);
}

static void test_directory_each_entry_is_seen_once(void **state)
{
    (void)state;
    assert_int_equal(run(many_main, NULL), 0);
}

static int types_main(void *arg)
{
    (void)arg;
    weft_directory *d;
    weft_directory_entry entry;
    unsigned types = 0;
    int fd = open(in_folder("file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(symlink("file", in_folder("link")), 0);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
    assert_int_equal(weft_directory_open(&d, folder), 0);
    while (weft_directory_next(d, &entry) > 0) {
        static const char *const names[] = { [WEFT_ENTRY_FILE] = "file",
                                             [WEFT_ENTRY_DIRECTORY] = "folder",
                                             [WEFT_ENTRY_LINK] = "link",
                                             [WEFT_ENTRY_FIFO] = "fifo" };
        if (entry.type != WEFT_ENTRY_UNKNOWN)
            assert_string_equal(entry.name, names[entry.type]);
        types++;
    }
    assert_int_equal(types, 4);
    close(fd);
    return weft_directory_close(d);
}

static void test_directory_tells_types(void **state)
{
    (void)state;
    assert_int_equal(run(types_main, NULL), 0);
}

static int refused_main(void *arg)
{
    (void)arg;
    weft_directory *d;
    weft_directory_entry entry;
    int fd = open(in_folder("file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(weft_directory_open(&d, in_folder("nothing")), -ENOENT);
    assert_int_equal(weft_directory_open(&d, in_folder("file")), -ENOTDIR);
    assert_int_equal(mkdir(in_folder("gone"), 0700), 0);
    assert_int_equal(weft_directory_open(&d, in_folder("gone")), 0);
    assert_int_equal(rmdir(in_folder("gone")), 0);
    assert_int_equal(weft_directory_next(d, &entry), -ENOENT);
    assert_int_equal(weft_directory_close(d), 0);
    assert_int_equal(weft_directory_close(NULL), 0);
    struct wf_memory_fault memory = { .countdown = 1 };
    wf_memory_fault_set(&memory);
    assert_int_equal(weft_directory_open(&d, folder), -ENOMEM);
    wf_memory_fault_set(NULL);
    close(fd);
    return 0;
}

static void test_directory_errors_are_the_kernels(void **state)
{
    (void)state;
    assert_int_equal(run(refused_main, NULL), 0);
}

static int look(void *arg)
{
    weft_directory_entry entry;
    return weft_directory_next(arg, &entry);
}

static int shared_main(void *arg)
{
    (void)arg;
    weft_directory *d;
    weft_directory_entry entry;
    assert_int_equal(mkdir(in_folder("only"), 0700), 0);
    assert_int_equal(weft_directory_open(&d, folder), 0);
    weft_scope s;
    weft_task *looks;
    weft_scope_begin(&s);
    weft_spawn(&s, look, d, .task = &looks, .eager = true);
    assert_int_equal(weft_directory_next(d, &entry), -EBUSY);
    assert_int_equal(weft_directory_close(d), -EBUSY);
    assert_int_equal(weft_await(looks), 1);
    weft_task_release(looks);
    weft_scope_end(&s);
    assert_int_equal(weft_directory_next(d, &entry), 0);
    return weft_directory_close(d);
}

static void test_directory_one_looks_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(run(shared_main, NULL), 0);
}

/* Watches. */

static void touch(const char *name)
{
    int fd = open(in_folder(name), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void expect_event(weft_directory_watch *watch, int id, unsigned changes, const char *name)
{
    weft_directory_event event;
    assert_int_equal(weft_directory_watch_next(watch, &event), 0);
    assert_int_equal(event.id, id);
    assert_int_equal(event.changes, changes);
    assert_string_equal(event.name, name);
}

static int change_later(void *arg)
{
    (void)arg;
    weft_sleep(SECOND);
    touch("later");
    return 0;
}

static int watch_main(void *arg)
{
    (void)arg;
    weft_directory_watch *watch;
    weft_directory_event event;
    assert_int_equal(weft_directory_watch_open(&watch), 0);
    assert_int_equal(weft_directory_watch_add(watch, in_folder("nothing"), WEFT_DIRECTORY_ALL),
                     -ENOENT);
    assert_int_equal(weft_directory_watch_add(watch, folder, 0), -EINVAL);
    int id = weft_directory_watch_add(watch, folder, WEFT_DIRECTORY_ALL);
    assert_true(id > 0);
    touch("a");
    expect_event(watch, id, WEFT_DIRECTORY_CREATED, "a");
    expect_event(watch, id, WEFT_DIRECTORY_MODIFIED, "a");
    expect_event(watch, id, WEFT_DIRECTORY_WRITTEN, "a");
    assert_int_equal(rename(in_folder("a"), in_folder("b")), 0);
    assert_int_equal(weft_directory_watch_next(watch, &event), 0);
    assert_int_equal(event.changes, WEFT_DIRECTORY_MOVED_FROM);
    uint32_t cookie = event.cookie;
    assert_int_equal(weft_directory_watch_next(watch, &event), 0);
    assert_int_equal(event.changes, WEFT_DIRECTORY_MOVED_TO);
    assert_string_equal(event.name, "b");
    assert_int_equal(event.cookie, cookie);
    assert_int_equal(chmod(in_folder("b"), 0400), 0);
    expect_event(watch, id, WEFT_DIRECTORY_ATTRIBUTES, "b");
    assert_int_equal(unlink(in_folder("b")), 0);
    expect_event(watch, id, WEFT_DIRECTORY_DELETED, "b");
    assert_int_equal(mkdir(in_folder("sub"), 0700), 0);
    assert_int_equal(weft_directory_watch_next(watch, &event), 0);
    assert_true(event.is_directory);
    weft_scope s;
    weft_scope_begin(&s);
    weft_spawn(&s, change_later, NULL);
    expect_event(watch, id, WEFT_DIRECTORY_CREATED, "later"); /* waits for it */
    assert_int_equal(weft_scope_end(&s), 0);
    return weft_directory_watch_close(watch);
}

static void test_watch_tells_what_happens(void **state)
{
    (void)state;
    assert_int_equal(run(watch_main, NULL), 0);
}

static int ends_main(void *arg)
{
    (void)arg;
    weft_directory_watch *watch;
    assert_int_equal(weft_directory_watch_open(&watch), 0);
    assert_int_equal(mkdir(in_folder("one"), 0700), 0);
    assert_int_equal(mkdir(in_folder("two"), 0700), 0);
    int one = weft_directory_watch_add(watch, in_folder("one"), WEFT_DIRECTORY_CREATED);
    int two = weft_directory_watch_add(watch, in_folder("two"), WEFT_DIRECTORY_CREATED);
    assert_true(one > 0 && two > 0 && one != two);
    assert_int_equal(rmdir(in_folder("one")), 0);
    expect_event(watch, one, WEFT_DIRECTORY_GONE, "");
    assert_int_equal(weft_directory_watch_remove(watch, one), -EINVAL);
    touch("two/a");
    assert_int_equal(weft_directory_watch_remove(watch, two), 0);
    expect_event(watch, two, WEFT_DIRECTORY_CREATED, "a");
    expect_event(watch, two, WEFT_DIRECTORY_GONE, "");
    return weft_directory_watch_close(watch);
}

static void test_watch_says_when_a_folder_is_not_watched_any_more(void **state)
{
    (void)state;
    assert_int_equal(run(ends_main, NULL), 0);
}

static int wait_for_event(void *arg)
{
    weft_directory_event event;
    return weft_directory_watch_next(arg, &event);
}

static int cancel_main(void *arg)
{
    (void)arg;
    weft_directory_watch *watch;
    weft_directory_event event;
    assert_int_equal(weft_directory_watch_open(&watch), 0);
    int id = weft_directory_watch_add(watch, folder, WEFT_DIRECTORY_CREATED);
    weft_scope s;
    weft_scope_begin(&s);
    weft_task *waits;
    weft_spawn(&s, wait_for_event, watch, .task = &waits);
    weft_sleep(0);
    assert_int_equal(weft_directory_watch_next(watch, &event), -EBUSY);
    assert_int_equal(weft_directory_watch_close(watch), -EBUSY);
    weft_task_cancel(waits, "the test");
    assert_int_equal(weft_await(waits), -ECANCELED);
    weft_task_release(waits);
    weft_scope_end(&s);
    touch("a");
    expect_event(watch, id, WEFT_DIRECTORY_CREATED, "a");
    return weft_directory_watch_close(watch);
}

static void test_watch_a_cancel_loses_nothing_and_one_waits_at_a_time(void **state)
{
    (void)state;
    assert_int_equal(run(cancel_main, NULL), 0);
}

/* Who has used up his budget gives way inside the call, and is not overtaken there. */
static int intrude(void *arg)
{
    weft_directory_event event;
    for (int *left = ((void **)arg)[1]; *left > 0; weft_sleep(0)) {
        assert_int_equal(weft_directory_watch_next(((void **)arg)[0], &event), -EBUSY);
        assert_int_equal(weft_directory_watch_close(((void **)arg)[0]), -EBUSY);
        note("refused ");
    }
    return 0;
}

static int overtaken_main(void *arg)
{
    (void)arg;
    weft_directory_watch *watch;
    int left = 2 * WF_TASK_BUDGET;
    assert_int_equal(weft_directory_watch_open(&watch), 0);
    int id = weft_directory_watch_add(watch, folder, WEFT_DIRECTORY_ATTRIBUTES);
    touch("a");
    touch("b");
    for (int i = 0; i < left; i++) /* equal ones in a row are one */
        chmod(in_folder(i % 2 ? "a" : "b"), 0600);
    weft_scope s;
    void *arguments[] = { watch, &left };
    weft_scope_begin(&s);
    weft_spawn(&s, intrude, arguments);
    for (; left > 0; left--)
        expect_event(watch, id, WEFT_DIRECTORY_ATTRIBUTES, left % 2 ? "a" : "b");
    assert_int_equal(weft_scope_end(&s), 0);
    assert_non_null(strstr(trace, "refused"));
    return weft_directory_watch_close(watch);
}

static void test_watch_nobody_is_overtaken_in_it(void **state)
{
    (void)state;
    assert_int_equal(run(overtaken_main, NULL), 0);
}

static unsigned queue_max(void)
{
    unsigned most = 16384;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    if (file) {
        assert_int_equal(fscanf(file, "%u", &most), 1);
        fclose(file);
    }
    return most;
}

static int lost_main(void *arg)
{
    unsigned most = *(unsigned *)arg;
    weft_directory_watch *watch;
    weft_directory_event event;
    assert_int_equal(weft_directory_watch_open(&watch), 0);
    weft_directory_watch_add(watch, folder, WEFT_DIRECTORY_ATTRIBUTES);
    touch("a");
    touch("b");
    for (unsigned i = 0; i < most / 2 + 2; i++) { /* equal ones in a row are one */
        chmod(in_folder("a"), 0600);
        chmod(in_folder("b"), 0600);
    }
    do
        assert_int_equal(weft_directory_watch_next(watch, &event), 0);
    while (!(event.changes & WEFT_DIRECTORY_LOST));
    assert_int_equal(event.id, -1);
    return weft_directory_watch_close(watch);
}

static void test_watch_says_that_events_were_lost(void **state)
{
    (void)state;
    unsigned most = queue_max();
    if (most > 100000)
        skip(); /* it would take long */
    assert_int_equal(run(lost_main, &most), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        file_test(test_directory_each_entry_is_seen_once),
        file_test(test_directory_tells_types),
        file_test(test_directory_errors_are_the_kernels),
        file_test(test_directory_one_looks_at_a_time),
        file_test(test_watch_tells_what_happens),
        file_test(test_watch_says_when_a_folder_is_not_watched_any_more),
        file_test(test_watch_a_cancel_loses_nothing_and_one_waits_at_a_time),
        file_test(test_watch_nobody_is_overtaken_in_it),
        file_test(test_watch_says_that_events_were_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
