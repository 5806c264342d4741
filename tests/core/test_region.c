/* The tree of regions against its definition: random trees of tasks and scopes, random cancels.
 *
 *     effective(r) = cancelled(r), or around it is effective and no shield of r's own holds */

#include "../base/model.h"
#include "core_test.h"

enum { NODES = 64 };

struct node {
    bool used, is_scope;
    bool shield, cancelled, pierced; /* the model's */
    int parent;                      /* index; -1: the root */
    int task;                        /* whose code it is; for a task: itself */
    int children;
    bool was_effective; /* of the task's innermost region before the step */
    unsigned calls;     /* of ops->cancelled */
    struct wf_scope scope;
    struct wf_member member;
    struct wf_region *innermost;
};

static struct node nodes[NODES];
static struct dice dice;

static struct wf_region *region_of(struct node *node)
{
    return node->is_scope ? &node->scope.region : &node->member.region;
}

static const char *no_name(const struct wf_member *member)
{
    (void)member;
    return "node";
}

static void count_call(struct wf_member *member)
{
    wf_container(member, struct node, member)->calls++;
}

static const struct wf_member_ops ops = { no_name, count_call, NULL };

/* The model. */

static bool pierced_from_above(int i)
{
    for (int p = nodes[i].parent; p >= 0; p = nodes[p].parent)
        if (nodes[p].pierced)
            return true;
    return false;
}

static bool shields(int i)
{
    return nodes[i].shield && !pierced_from_above(i);
}

static bool is_effective(int i)
{
    if (nodes[i].cancelled)
        return true;
    return nodes[i].parent >= 0 && is_effective(nodes[i].parent) && !shields(i);
}

/* A cancel of `source` reaches the code in `i`. */
static bool reaches(int source, int i)
{
    for (; i >= 0; i = nodes[i].parent) {
        if (i == source)
            return true;
        if (shields(i))
            return false;
    }
    return false;
}

static bool is_around(int outer, int i)
{
    for (; i >= 0; i = nodes[i].parent)
        if (i == outer)
            return true;
    return false;
}

/* Steps. */

static int pick(bool (*fits)(int i))
{
    int start = (int)dice_below(&dice, NODES);
    for (int n = 0; n < NODES; n++) {
        int i = (start + n) % NODES;
        if (fits(i))
            return i;
    }
    return -1;
}

static bool is_free(int i)
{
    return !nodes[i].used;
}

static bool is_used(int i)
{
    return nodes[i].used;
}

static bool is_task(int i)
{
    return nodes[i].used && !nodes[i].is_scope && i != 0;
}

static bool is_open_scope(int i)
{
    return nodes[i].used && nodes[i].is_scope;
}

static struct node *take(int i, int parent, bool is_scope, bool shield)
{
    nodes[i] =
        (struct node){ .used = true, .is_scope = is_scope, .shield = shield, .parent = parent };
    if (parent >= 0)
        nodes[parent].children++;
    return &nodes[i];
}

static void spawn(int i, int scope)
{
    struct node *node = take(i, scope, false, false);
    node->task = i;
    node->member.ops = &ops;
    node->innermost = &node->member.region;
    wf_region_init(&node->member.region, region_of(&nodes[scope]), WF_REGION_MEMBER, false);
    wf_scope_join(&nodes[scope].scope, &node->member);
}

static int index_of(const struct wf_region *region)
{
    for (int i = 0; i < NODES; i++)
        if (nodes[i].used && region_of(&nodes[i]) == region)
            return i;
    fail();
    return -1;
}

static void begin(int i, int task)
{
    struct node *owner = &nodes[task];
    bool shield = dice_below(&dice, 3) == 0;
    int outer = index_of(owner->innermost);
    struct node *node = take(i, outer, true, shield);
    node->task = task;
    node->scope.magic = WF_SCOPE_MAGIC;
    wf_list_init(&node->scope.members);
    wf_region_init(&node->scope.region, owner->innermost, WF_REGION_SCOPE, shield);
    owner->innermost->inner = &node->scope.region;
    owner->innermost = &node->scope.region;
}

static void finish(int i)
{
    struct node *node = &nodes[i];
    if (node->children > 0 || i == 0)
        return;
    if (node->is_scope) {
        struct node *owner = &nodes[node->task];
        owner->innermost = node->scope.region.outer;
        owner->innermost->inner = NULL;
    } else {
        wf_list_remove(&node->member.link);
        nodes[node->parent].scope.live--;
    }
    nodes[node->parent].children--;
    node->used = false;
}

static void tell(int i)
{
    if (!is_effective(i))
        return;
    for (int s = 0; s < NODES; s++)
        nodes[s].scope.cause = WEFT_CAUSE_NONE;
    wf_region_tell(region_of(&nodes[i]));
    for (int s = 0; s < NODES; s++) {
        if (!is_open_scope(s))
            continue;
        bool told = false;
        for (int c = 0; c < NODES; c++)
            told |= nodes[c].used && nodes[c].cancelled && reaches(c, i) && is_around(s, i) &&
                    is_around(c, s);
        int expected = !told                ? WEFT_CAUSE_NONE
                       : nodes[s].cancelled ? WEFT_CAUSE_DEADLINE
                                            : WEFT_CAUSE_ENCLOSING;
        assert_int_equal(nodes[s].scope.cause, expected);
    }
}

static void cancel(int i, bool pierce)
{
    nodes[i].cancelled = true;
    nodes[i].pierced |= pierce;
    if (pierce)
        wf_region_pierce(region_of(&nodes[i]), "pierced");
    else
        wf_region_cancel(region_of(&nodes[i]), "cancelled");
}

static void step(void)
{
    int i, j;
    switch (dice_below(&dice, 16)) {
    case 0:
        cancel(pick(is_used), dice_below(&dice, 4) == 0);
        break;
    case 1:
    case 2:
        tell(pick(is_used));
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        finish(pick(is_used));
        break;
    case 7:
    case 8:
    case 9:
    case 10:
        if ((i = pick(is_free)) >= 0 && (j = pick(is_task)) >= 0)
            begin(i, j);
        break;
    default:
        if ((i = pick(is_free)) >= 0)
            spawn(i, pick(is_open_scope));
    }
}

static void look(void)
{
    for (int i = 0; i < NODES; i++) {
        nodes[i].calls = 0;
        nodes[i].was_effective = is_task(i) && nodes[i].innermost->effective;
    }
}

static void compare(bool same_code)
{
    for (int i = 0; i < NODES; i++) {
        if (!nodes[i].used)
            continue;
        assert_int_equal(region_of(&nodes[i])->effective, is_effective(i));
        if (!is_task(i) || !same_code)
            continue;
        bool fresh = nodes[i].innermost->effective && !nodes[i].was_effective;
        assert_int_equal(nodes[i].calls, fresh);
    }
}

static void test_region_effective_is_what_its_definition_says(void **state)
{
    (void)state;
    dice = dice_seed("test_region");
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    long rounds = text ? strtol(text, NULL, 10) / 200 : 300;
    for (long round = 0; round < rounds; round++) {
        memset(nodes, 0, sizeof nodes);
        take(0, -1, true, false);
        nodes[0].scope.magic = WF_SCOPE_MAGIC;
        wf_list_init(&nodes[0].scope.members);
        wf_region_init(&nodes[0].scope.region, NULL, WF_REGION_SCOPE, false);
        for (int i = 0; i < 200; i++) {
            look();
            if (dice_below(&dice, 8) == 0) {
                cancel(pick(is_used), dice_below(&dice, 4) == 0);
                compare(true);
            } else {
                step();
                compare(false);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(test_region_effective_is_what_its_definition_says),
    };
    return cmocka_run_group_tests_name("core region", tests, NULL, NULL);
}
