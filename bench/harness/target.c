#include "harness/target.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLACK 0.03
#define WIDTH 0.06

static double limit_of(const char *word, bool *at_least)
{
    if (strncmp(word, "<=", 2) != 0 && strncmp(word, ">=", 2) != 0)
        return 0;
    *at_least = word[0] == '>';
    return strtod(word + 2, NULL);
}

struct target target_find(const char *row, const char *beside)
{
    char line[256], pattern[80], side[32], now[32], final[32];
    struct target target = { 0 };
    FILE *file = fopen(BENCH_TARGETS, "re");
    while (file && fgets(line, sizeof line, file)) {
        int words = sscanf(line, "%79s %31s %31s %31s", pattern, side, now, final);
        if (words < 3 || *pattern == '#' || fnmatch(pattern, row, 0) != 0 ||
            strcmp(side, beside) != 0)
            continue;
        target.now = limit_of(now, &target.at_least);
        target.is_ratio = strcmp(beside, "-") != 0;
        target.final = words > 3 ? limit_of(final, &target.at_least) : 0;
        break;
    }
    if (file)
        fclose(file);
    return target;
}

enum verdict target_judge(const struct target *target, double limit, struct bench_median figure)
{
    if (limit <= 0)
        return VERDICT_NONE;
    double scale = target->is_ratio && !target->at_least ? 1 : limit;
    bool beyond =
        target->at_least ? figure.high < limit - SLACK * scale : figure.low > limit + SLACK * scale;
    bool within = target->at_least ? figure.low >= limit - SLACK * scale
                                   : figure.high <= limit + SLACK * scale;
    /* Of what is far from its limit, nobody asks how far. */
    bool far =
        target->at_least ? figure.low >= limit * (1 + WIDTH) : figure.high <= limit * (1 - WIDTH);
    if (beyond)
        return VERDICT_MISSED;
    if (far)
        return VERDICT_HOLDS;
    if (figure.high - figure.low > WIDTH * scale)
        return VERDICT_UNDECIDED;
    return within ? VERDICT_HOLDS : VERDICT_MISSED;
}

enum verdict target_doubt(enum verdict verdict, const struct doubts *doubts)
{
    if (doubts->is_unfit)
        return VERDICT_SATURATED;
    if (verdict == VERDICT_NONE || doubts->is_ours_unfit)
        return VERDICT_NONE;
    if (doubts->rounds < BENCH_ROUNDS)
        return VERDICT_TOO_FEW;
    return doubts->stolen > 0 ? VERDICT_UNDECIDED : verdict;
}

const char *verdict_text(enum verdict verdict)
{
    static const char *const texts[] = { "",          "holds",          "MISSED",
                                         "undecided", "too few rounds", "saturated" };
    return texts[verdict];
}
