/* The tree of a loop as text.
 *
 *     weft_dump ──> weft_dump_to ──> each region of the background, depth first
 *                                      ├ scope: name, site, members, time left, how it was ended
 *                                      ├ task: number, name, state, what it waits for, its calls
 *                                      ├ stackless task: name, what it waits for, its next step
 *                                      └ other members: a parked client, a server
 *
 * The loop's own thread reads, so nothing moves meanwhile. The allocator is not asked, because a
 * program that is looked at may be short of memory, nor is much put on the stack, which may be a
 * small task's: the buffer and the tables are a mapping of their own, for the time of the dump. A
 * line is put together from pieces in the buffer, which is handed on when it is full. The walk uses
 * no recursion and counts the depth as it goes: a step down adds one, and up it follows the outer
 * regions that the walk has left.
 *
 * Names come from the program's users, so bytes that could drive a terminal are shown as '?'. */

#include "core/group.h"
#include "core/loop.h"
#include "core/stackless.h"
#include "inspect/backtrace.h"
#include "io/symbols.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/inspect.h>

#define INDENT_MAX    32   /* levels; deeper ones stand there too */
#define WRITE_TIMEOUT 1000 /* ms */
#define ALIKE_SHOWN   10   /* stackless tasks side by side that do the same */

struct dump {
    weft_dump_fn *write;
    void *context;
    weft_loop *loop;
    int64_t now;
    uint32_t moment;     /* now, in the unit of parked_at */
    uint64_t per_second; /* ticks; 0: nanoseconds */
    int error;
    size_t used;
    char buffer[4096];
    const struct wf_stackless *like; /* the first of a crowd that do the same; NULL */
    size_t alike;                    /* so many more have followed it */
    unsigned alike_depth;
    uintptr_t frames[WF_BACKTRACE_MAX];
    struct wf_symbols symbols;
};

/* Text. */

/* The writer is users' code: what suspends is refused there. */
static void write_out(void *arg)
{
    struct dump *dump = arg;
    int err = dump->write(dump->context, dump->buffer, dump->used);
    dump->error = err < 0 ? err : 0;
}

static void flush(struct dump *dump)
{
    if (dump->error == 0 && dump->used > 0)
        wf_drop(dump->loop, write_out, dump);
    dump->used = 0;
}

static void put_char(struct dump *dump, char c)
{
    if (dump->used == sizeof dump->buffer)
        flush(dump);
    dump->buffer[dump->used++] = c;
}

static void put_text(struct dump *dump, const char *text)
{
    for (; *text; text++)
        put_char(dump, *text);
}

static void put_name(struct dump *dump, const char *text)
{
    for (; *text; text++)
        put_char(dump, (unsigned char)*text < ' ' || *text == 127 ? '?' : *text);
}

/* For numbers: what is longer is cut. */
WEFT_PRINTF(2, 3)
static void put(struct dump *dump, const char *format, ...)
{
    char text[96];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    put_text(dump, text);
}

static void put_indent(struct dump *dump, unsigned depth)
{
    for (unsigned i = 0; i < 2 * (depth < INDENT_MAX ? depth : INDENT_MAX); i++)
        put_char(dump, ' ');
    if (depth > INDENT_MAX)
        put(dump, "(level %u) ", depth);
}

static void put_duration(struct dump *dump, int64_t duration)
{
    const char *sign = duration < 0 ? "-" : "";
    uint64_t hundredths = (uint64_t)(duration < 0 ? -duration : duration) / 10000000;
    put(dump, "%s%llu.%02u s", sign, (unsigned long long)(hundredths / 100),
        (unsigned)(hundredths % 100));
}

/* Regions. */

static void put_cancel(struct dump *dump, const struct wf_region *region)
{
    if (region->effective) {
        put_text(dump, ", cancelled (");
        put_name(dump, wf_region_why(region));
        put_text(dump, ")");
    }
}

static const char *cause_text(const struct wf_scope *scope)
{
    switch (scope->cause) {
    case WEFT_CAUSE_FAILURE:
        return ", failed";
    case WEFT_CAUSE_DEADLINE:
        return ", its time is over";
    case WEFT_CAUSE_CANCEL:
        return ", by itself";
    case WEFT_CAUSE_ENCLOSING:
        return ", from around it";
    default:
        return "";
    }
}

static void put_scope(struct dump *dump, const struct wf_scope *scope)
{
    put_text(dump, "scope '");
    put_name(dump, scope->name ? scope->name : "scope");
    put_text(dump, "' begun at ");
    put_name(dump, scope->site);
    put(dump, ": %zu member%s", scope->live, scope->live == 1 ? "" : "s");
    if (wf_timer_is_armed(&scope->deadline)) {
        put_text(dump, ", ");
        put_duration(dump, scope->deadline.deadline - dump->now);
        put_text(dump, " left");
    }
    put_text(dump, scope->isolate ? ", isolates" : "");
    put_text(dump, scope->region.shield ? ", shields" : "");
    put_cancel(dump, &scope->region);
    put_text(dump, cause_text(scope));
    if (scope->error < 0)
        put(dump, ": %s", weft_error_name(scope->error));
    put_text(dump, "\n");
}

/* Tasks. */

/* A task that has started another one eagerly runs, by its state, and stands still. */
static bool is_suspended(const struct dump *dump, const weft_task *task)
{
    return task->fiber && task != dump->loop->current && task != dump->loop->interrupted &&
           task->state != WF_TASK_NEW && task->state != WF_TASK_DONE;
}

static const char *state_text(const struct dump *dump, const weft_task *task)
{
    static const char *const texts[] = { "new", "ready", "running", "parked", "done" };
    if (task->state == WF_TASK_RUNNING && is_suspended(dump, task))
        return "running, through a task that it has started";
    return task->state < WF_ARRAY_SIZE(texts) ? texts[task->state] : "?";
}

static int64_t waited(const struct dump *dump, uint32_t since)
{
    uint64_t units = (uint32_t)(dump->moment - since);
    unsigned __int128 time = (unsigned __int128)units << WF_MOMENT_SHIFT;
    return (int64_t)(dump->per_second ? time * (uint64_t)WEFT_SECOND / dump->per_second : time);
}

static void put_wait(struct dump *dump, const weft_task *task)
{
    const struct wf_waiter *waiter = task->parked;
    char text[256];
    if (!waiter || task->state != WF_TASK_PARKED)
        return;
    put_text(dump, ": waits for ");
    put_name(dump, wf_wait_describe(waiter, text, sizeof text));
    put_text(dump, ", for ");
    put_duration(dump, waited(dump, task->parked_at));
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static const char *const gates[] = { "wf_park", "wf_task_yield", "wf_dispatch_eager" };
static const char *const bottoms[] = { "wf_task_run", "wf_fiber_main", "enter",
                                       "wf_context_start" };

/* What is inside the library's own switch says nothing; nor does what is below a task's body. */
static size_t trim(struct dump *dump, const uintptr_t *frames, size_t *count)
{
    size_t first = 0;
    for (size_t i = 0; i < *count; i++) {
        const char *name = wf_symbol_find(&dump->symbols, frames[i])->name;
        if (is_one_of(name, gates, WF_ARRAY_SIZE(gates)))
            first = i + 1;
        if (is_one_of(name, bottoms, WF_ARRAY_SIZE(bottoms)))
            *count = i;
    }
    return first;
}

static void put_frame(struct dump *dump, uintptr_t frame)
{
    const struct wf_symbol *symbol = wf_symbol_find(&dump->symbols, frame);
    put_text(dump, "at ");
    put_name(dump, symbol->name ? symbol->name : symbol->module ? symbol->module : "");
    put(dump, "%s0x%zx\n", symbol->module ? "+" : "",
        (size_t)(symbol->name ? symbol->name_offset : symbol->module_offset));
}

static void put_stack(struct dump *dump, const weft_task *task, unsigned depth)
{
    uintptr_t *frames = dump->frames;
    size_t count = wf_backtrace(&task->fiber->context, frames);
    for (size_t i = trim(dump, frames, &count); i < count; i++) {
        put_indent(dump, depth + 2);
        put_frame(dump, frames[i]);
    }
}

static void put_task(struct dump *dump, const weft_task *task, unsigned depth)
{
    put(dump, "task %u '", wf_task_number(task));
    put_name(dump, task->name);
    put(dump, "', %s", state_text(dump, task));
    put_wait(dump, task);
    put_cancel(dump, &task->member.region);
    put_text(dump, "; spawned at ");
    put_name(dump, task->future.site);
    put_text(dump, "\n");
    if (is_suspended(dump, task))
        put_stack(dump, task, depth);
}

static void put_progress(struct dump *dump, const struct wf_stackless *self)
{
    char text[256];
    if (self->waiter.phase == WF_STACKLESS_RUNNING) {
        put_text(dump, "running");
        return;
    }
    put_text(dump, "waits for ");
    put_name(dump, wf_stackless_describe(self, text, sizeof text));
    if (!wf_stackless_is_waiting(self))
        return;
    put_text(dump, ", for ");
    put_duration(dump, waited(dump, self->waiter.since));
}

/* Symbols are looked up for return addresses, which lie behind the call. */
static void put_function(struct dump *dump, uintptr_t function)
{
    const struct wf_symbol *symbol = wf_symbol_find(&dump->symbols, function + 1);
    put_name(dump, symbol->name ? symbol->name : symbol->module ? symbol->module : "");
    if (!symbol->name)
        put(dump, "%s0x%zx", symbol->module ? "+" : "", (size_t)symbol->module_offset - 1);
}

static void put_stackless(struct dump *dump, const struct wf_stackless *self, unsigned depth)
{
    put_text(dump, "stackless task '");
    put_name(dump, wf_stackless_name(self));
    put_text(dump, "', ");
    put_progress(dump, self);
    put_cancel(dump, &self->member.region);
    put_text(dump, "; defined at ");
    put_name(dump, wf_stackless_site(self));
    put_text(dump, "\n");
    put_indent(dump, depth + 2);
    put_text(dump, self->waiter.phase == WF_STACKLESS_RUNNING ? "in " : "then ");
    put_function(dump, (uintptr_t)self->step);
    put_text(dump, "\n");
}

static void put_member(struct dump *dump, const struct wf_member *member)
{
    put_name(dump, member->ops->name(member));
    put_cancel(dump, &member->region);
    put_text(dump, "\n");
}

/* The walk. */

/* Of a million that do the same a few are shown. */

static bool is_alike(const struct wf_stackless *self, const struct wf_stackless *like)
{
    return self && like && self->kind == like->kind && self->step == like->step &&
           self->waiter.phase == like->waiter.phase &&
           self->member.region.outer == like->member.region.outer;
}

static void end_crowd(struct dump *dump)
{
    if (dump->alike >= ALIKE_SHOWN) {
        put_indent(dump, dump->alike_depth);
        put(dump, "and %zu more like it\n", dump->alike - ALIKE_SHOWN + 1);
    }
    dump->like = NULL;
    dump->alike = 0;
}

/* True: it is one of too many. */
static bool joins_crowd(struct dump *dump, const struct wf_stackless *self, unsigned depth)
{
    if (is_alike(self, dump->like))
        return ++dump->alike >= ALIKE_SHOWN;
    end_crowd(dump);
    dump->like = self;
    dump->alike_depth = depth;
    return false;
}

static void put_region(struct dump *dump, const struct wf_region *region, unsigned depth)
{
    struct wf_member *member = region->kind == WF_REGION_MEMBER ? wf_region_member(region) : NULL;
    const struct wf_stackless *stackless = wf_stackless_of_member(member);
    if (joins_crowd(dump, stackless, depth))
        return;
    put_indent(dump, depth);
    if (!member)
        put_scope(dump, wf_scope_of_region(region));
    else if (wf_member_is_task(member))
        put_task(dump, wf_task_of_member(member), depth);
    else if (stackless)
        put_stackless(dump, stackless, depth);
    else
        put_member(dump, member);
}

static void put_tree(struct dump *dump, const struct wf_region *root)
{
    struct wf_region *region = (struct wf_region *)root, *next;
    unsigned depth = 0;
    for (; region && dump->error == 0; region = next) {
        put_region(dump, region, depth);
        next = wf_region_next(root, region);
        depth++;
        for (const struct wf_region *r = region; next && r != next->outer; r = r->outer)
            depth--;
    }
    end_crowd(dump);
}

static void put_promise(struct dump *dump, const weft_future *future)
{
    put_text(dump, "the future made at ");
    put_name(dump, future->site);
    put_text(dump, "\n");
}

/* Failures that somebody still has to look at. */
static void put_unread(struct dump *dump)
{
    const struct wf_list *unread = &dump->loop->unread;
    WF_LIST_EACH(link, unread) {
        const weft_future *future = wf_container(link, weft_future, unread);
        put_text(dump, "nobody has read the result of ");
        if (wf_is_task(future))
            put_task(dump, (const weft_task *)future, 0);
        else
            put_promise(dump, future);
    }
}

/* The census of stacks. */

static void put_sizes(struct dump *dump, uint32_t sizes)
{
    const char *before = "";
    for (uint32_t size = WF_STACK_SMALL; size <= WF_STACK_LARGE; size <<= 1) {
        if (!(sizes & size))
            continue;
        put(dump, "%s%u", before, size >> 10);
        before = " and ";
    }
    put_text(dump, " KiB");
}

static bool is_main(const weft_loop *loop, const struct wf_census_entry *entry)
{
    return loop->main && (wf_entry_fn *)loop->main->fn == entry->fn;
}

static void put_suggestion(struct dump *dump, const struct wf_census_entry *entry)
{
    uint32_t size = wf_census_suggested(dump->loop, entry);
    if (size == 0)
        return;
    bool larger = size > (entry->stack_sizes & -entry->stack_sizes);
    put_text(dump, larger ? "; less than a quarter was left: " : "; ");
    put(dump, "%s.stack_size = %u << 10%s", is_main(dump->loop, entry) ? "weft_run()'s " : "",
        size >> 10, larger ? "" : " would do");
}

static void put_use(struct dump *dump, const struct wf_census_entry *entry)
{
    size_t tenths = entry->deepest * 10 / 1024;
    put_text(dump, "  ");
    if (entry->fn)
        put_function(dump, (uintptr_t)entry->fn);
    else
        put_text(dump, "others");
    put(dump, ": deepest %zu.%zu KiB of ", tenths / 10, tenths % 10);
    put_sizes(dump, entry->stack_sizes);
    put(dump, ", measured %llu time%s", (unsigned long long)entry->measured,
        entry->measured == 1 ? "" : "s");
    put_suggestion(dump, entry);
    put_text(dump, "\n");
}

static void put_stacks(struct dump *dump)
{
    const struct wf_census *census = &dump->loop->census;
    struct wf_census_entry entry = { .measured = 0 };
    wf_census_survey(dump->loop);
    if (!wf_census_next(census, &entry))
        return;
    put(dump, "stacks, for each function that tasks begin with (%s):\n",
        wf_census_is_exact(dump->loop) ? "exact" : "by page");
    do
        put_use(dump, &entry);
    while (dump->error == 0 && wf_census_next(census, &entry));
}

static void put_loop(struct dump *dump)
{
    const weft_loop *loop = dump->loop;
    if (loop->group)
        put(dump, "loop %u of %u: ", loop->index, loop->group->count);
    else
        put_text(dump, "loop: ");
    put(dump, "%zu task%s of %llu spawned, %zu ready, %zu timer%s", (size_t)loop->tasks.live,
        loop->tasks.live == 1 ? "" : "s", (unsigned long long)loop->counters.spawns,
        loop->ready.count, loop->timers.count, loop->timers.count == 1 ? "" : "s");
    if (loop->jobs > 0)
        put(dump, ", %zu under way elsewhere", loop->jobs);
    put(dump, "\ndriver %s: ", loop->io_ops->name);
    put_text(dump, loop->io_reason);
    put_text(dump, "\n");
}

static void begin(struct dump *dump, weft_loop *loop)
{
    dump->loop = loop;
    dump->error = 0;
    dump->used = 0;
    dump->now = wf_clock_now(&loop->clock);
    dump->moment = wf_loop_moment(loop, wf_clock_ticks());
    dump->per_second = loop->clock.test ? 0 : wf_clock_ticks_of(WEFT_SECOND);
    wf_symbols_open(&dump->symbols);
}

static int dump_loop(weft_loop *loop, weft_dump_fn *write, void *context)
{
    struct dump *dump =
        mmap(NULL, sizeof *dump, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (dump == MAP_FAILED)
        return -ENOMEM;
    dump->write = write;
    dump->context = context;
    begin(dump, loop);
    put_loop(dump);
    put_tree(dump, &loop->background.region);
    put_unread(dump);
    put_stacks(dump);
    flush(dump);
    wf_symbols_close(&dump->symbols);
    int err = dump->error;
    munmap(dump, sizeof *dump);
    return err;
}

WF_NOINLINE int weft_dump_to(weft_dump_fn *write, void *context)
{
    weft_loop *loop = weft_loop_current();
    if (!loop)
        return wf_misuse(-EPERM, "weft_dump() where there is no loop");
    if (wf_in_task(loop))
        wf_check_innermost(loop->current, __builtin_frame_address(0));
    return dump_loop(loop, write, context);
}

/* Descriptors. */

/* One that does not block is waited for. */
static int wait_for_room(int fd)
{
    struct pollfd room = { .fd = fd, .events = POLLOUT };
    int count = poll(&room, 1, WRITE_TIMEOUT);
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    return count == 0 ? -ETIMEDOUT : 0;
}

static int write_all(void *context, const char *text, size_t size)
{
    int fd = *(int *)context, err = 0;
    while (size > 0 && err == 0) {
        ssize_t n = write(fd, text, size);
        if (n >= 0) {
            text += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            err = wait_for_room(fd);
        } else if (errno != EINTR) {
            err = -errno;
        }
    }
    return err;
}

int weft_dump(int fd)
{
    return weft_dump_to(write_all, &fd);
}
