#include "table.h"

#include "core/loop.h"
#include "rival.h"

#include <stdio.h>
#include <stdlib.h>

static weft_loop *loop;
static const char *program;
static struct rival go, python, uv;

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
    bench_begin(name, NULL, argc, argv);
    bench_pin(-1);
    rival_start(&go, "go", (const char *const[]){ RIVAL_GO, NULL });
    rival_start(&uv, "uv", (const char *const[]){ RIVAL_UV, NULL });
    rival_start(&python, "asyncio", (const char *const[]){ "python3", RIVAL_PYTHON, NULL });
    if (weft_loop_new(&loop) < 0)
        exit(1);
}

/* Add the rival's side, where it has such an operation; `run` is room for what it is given. */
static int add_rival(struct bench_side *sides, int count, struct rival *rival,
                     struct rival_run *run, const char *operation, long operations)
{
    *run = (struct rival_run){ rival, operation, operations };
    sides[count] = (struct bench_side){ rival->name, NULL, NULL, run };
    if (rival->questions && rival_ns(run) <= 0)
        return count;
    sides[count].run = rival->questions ? rival_ns : NULL;
    return count + 1;
}

static void compare(const struct line *line)
{
    struct row row = { .body = line->body, .count = line->count };
    struct rival_run runs[3];
    struct bench_side sides[6] = { { "weft", NULL, row_run, &row },
                                   { "floor", line->floor, line->floor_run, &row.count } };
    if (line->operation) {
        int count = add_rival(sides, 2, &go, &runs[0], line->operation, line->count / 10);
        count = add_rival(sides, count, &python, &runs[1], line->operation, line->count / 100);
        count = add_rival(sides, count, &uv, &runs[2], line->operation, line->count / 10);
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
    rival_stop(&go);
    rival_stop(&python);
    rival_stop(&uv);
    return bench_end();
}
