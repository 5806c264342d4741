#include "table.h"

#include "core/loop.h"
#include "peers/peer.h"

#include <stdio.h>
#include <stdlib.h>

#define RUN_NS 20e6 /* at least, of each side */

static weft_loop *loop;
static const char *program;
static struct peer go, python, uv;

int row_finish(struct row *row, double start)
{
    row->ns = (bench_now_ns() - start) / (double)row->count;
    return 0;
}

double row_run(void *arg)
{
    struct row *row = arg;
    weft_task *task;
    weft_spawn(weft_background(), row->body, row, .task = &task);
    int err = weft_loop_run_until_complete(loop, task);
    weft_task_release(task);
    if (err < 0) {
        fprintf(stderr, "%s: %s\n", program, weft_error_text(err));
        exit(1);
    }
    return row->ns;
}

void table_begin(const char *name, int argc, char **argv)
{
    program = name;
    bench_begin(name, argc, argv);
    bench_pin(-1);
    peer_start(&go, "go", (const char *const[]){ PEER_TASKS_GO, NULL });
    peer_start(&uv, "uv", (const char *const[]){ PEER_TASKS_UV, NULL });
    peer_start(&python, "asyncio", (const char *const[]){ "python3", PEER_TASKS_PYTHON, NULL });
    peer_is_here(&go);
    peer_is_here(&uv);
    peer_is_here(&python);
    if (weft_loop_new(&loop) < 0)
        exit(1);
}

/* As many as take a run long enough; by whole factors, because some count in thousands. */
static void lengthen(double (*run)(void *arg), void *arg, long *count)
{
    for (double ns; (ns = run(arg) * (double)*count) < RUN_NS;)
        *count *= (long)(RUN_NS / ns) + 1;
}

/* Add the peer's side, where it has such an operation; `run` is room for what it is given. */
static int add_peer(struct bench_side *sides, int count, struct peer *peer, struct peer_run *run,
                    const char *operation, long operations)
{
    *run = (struct peer_run){ peer, operation, operations };
    sides[count] = (struct bench_side){ peer->name, NULL, NULL, run };
    if (!peer->questions)
        return count + 1;
    if (!peer_has(run))
        return count;
    lengthen(peer_ns, run, &run->count);
    sides[count].run = peer_ns;
    return count + 1;
}

static void compare(const struct line *line)
{
    struct row row = { .body = line->body, .count = line->count };
    long floor_count = line->count;
    struct peer_run runs[3];
    struct bench_side sides[6] = { { "weft", NULL, row_run, &row },
                                   { "floor", line->floor, line->floor_run, &floor_count } };
    lengthen(row_run, &row, &row.count);
    lengthen(line->floor_run, &floor_count, &floor_count);
    if (line->operation) {
        int count = add_peer(sides, 2, &go, &runs[0], line->operation, line->count / 10);
        count = add_peer(sides, count, &python, &runs[1], line->operation, line->count / 100);
        count = add_peer(sides, count, &uv, &runs[2], line->operation, line->count / 10);
        sides[count].name = NULL;
    }
    bench_row(line->name, "ns", sides);
}

void table_compare(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bench_wants(lines[i].name))
            compare(&lines[i]);
}

int table_end(void)
{
    weft_loop_free(loop);
    peer_stop(&go);
    peer_stop(&python);
    peer_stop(&uv);
    return bench_end();
}
