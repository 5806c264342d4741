#include "table.h"

#include "core/loop.h"
#include "rival.h"

#include <string.h>

#define RIVAL_PAIRS 15 /* at most: their differences are large */

static weft_loop *loop;
static const char *program, *wanted = "";
static struct rival go, python;

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

int table_begin(const char *name, int argc, char **argv)
{
    program = name;
    wanted = argc > 2 ? argv[2] : "";
    bench_pin(-1);
    rival_start(&go, "Go", (const char *const[]){ RIVAL_GO, NULL });
    rival_start(&python, "asyncio", (const char *const[]){ "python3", RIVAL_PYTHON, NULL });
    if (weft_loop_new(&loop) < 0)
        exit(1);
    bench_title_print(name, loop->io_ops->name);
    return bench_pairs(argc, argv);
}

bool table_wants(const char *name)
{
    return strstr(name, wanted) != NULL;
}

static void compare_rival(const char *name, struct row *row, struct rival *rival,
                          const char *operation, int pairs)
{
    struct rival_run run = { rival, operation, row->count / 10 };
    struct bench_side ours = { name, row_run, row }, theirs = { rival->name, rival_ns, &run };
    if (rival->questions && rival_ns(&run) > 0)
        bench_compare_print(&ours, &theirs, pairs < RIVAL_PAIRS ? pairs : RIVAL_PAIRS, "ns");
    else
        printf("%-28s           %s: not here\n", name, rival->name);
}

static void compare(const struct line *line, int pairs)
{
    struct row row = { .body = line->body, .count = line->count };
    struct bench_side ours = { line->name, row_run, &row };
    struct bench_side floor = { line->floor, line->floor_run, &row.count };
    char target[32];
    double ns = bench_compare_print(&ours, &floor, pairs, "ns").ours.value;
    snprintf(target, sizeof target, "<= %g ns", line->target);
    if (line->target > 0)
        bench_target_print(target, ns <= line->target);
    if (!line->operation)
        return;
    compare_rival(line->name, &row, &go, line->operation, pairs);
    compare_rival(line->name, &row, &python, line->operation, pairs);
}

void table_compare(const struct line *lines, size_t count, int pairs)
{
    for (size_t i = 0; i < count; i++)
        if (table_wants(lines[i].name))
            compare(&lines[i], pairs);
}

void table_end(void)
{
    weft_loop_free(loop);
    rival_stop(&go);
    rival_stop(&python);
}
