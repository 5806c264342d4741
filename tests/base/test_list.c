/* The list against an array of the same numbers. */

#include "model.h"

#include "base/list.h"

#define LINKS 64
#define STEPS 100000

struct item {
    int number;
    struct wf_list link;
};

static int number_of(struct wf_list *link)
{
    return wf_container(link, struct item, link)->number;
}

static void test_list_new_is_empty(void **state)
{
    (void)state;
    struct wf_list list;
    wf_list_init(&list);
    assert_true(wf_list_is_empty(&list));
    assert_null(wf_list_first(&list));
    assert_null(wf_list_last(&list));
    assert_null(wf_list_pop_front(&list));
}

static void test_list_remove_init_twice_is_harmless(void **state)
{
    (void)state;
    struct wf_list list, link;
    wf_list_init(&list);
    wf_list_push_back(&list, &link);
    wf_list_remove_init(&link);
    wf_list_remove_init(&link);
    assert_true(wf_list_is_empty(&list));
    assert_true(wf_list_is_empty(&link));
}

static void test_list_remove_leaves_null_behind(void **state)
{
    (void)state;
    struct wf_list list, link;
    wf_list_init(&list);
    wf_list_push_front(&list, &link);
    wf_list_remove(&link);
    assert_null(link.next);
    assert_null(link.previous);
}

static void test_list_each_safe_may_remove_all(void **state)
{
    (void)state;
    struct wf_list list;
    struct item items[3];
    wf_list_init(&list);
    for (int i = 0; i < 3; i++) {
        items[i].number = i;
        wf_list_push_back(&list, &items[i].link);
    }
    int seen = 0;
    WF_LIST_EACH_SAFE(link, &list) {
        assert_int_equal(number_of(link), seen++);
        wf_list_remove(link);
    }
    assert_int_equal(seen, 3);
    assert_true(wf_list_is_empty(&list));
}

static void test_list_splice_appends_in_order(void **state)
{
    (void)state;
    struct wf_list target, source;
    struct item items[4];
    wf_list_init(&target);
    wf_list_init(&source);
    wf_list_splice(&target, &source);
    assert_true(wf_list_is_empty(&target));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        wf_list_push_back(i < 2 ? &target : &source, &items[i].link);
    }
    wf_list_splice(&target, &source);
    assert_true(wf_list_is_empty(&source));
    for (int i = 0; i < 4; i++)
        assert_int_equal(number_of(wf_list_pop_front(&target)), i);
    assert_true(wf_list_is_empty(&target));
}

/* The model: numbers in order. */
struct model {
    int numbers[LINKS];
    int count;
};

static void model_insert(struct model *model, int at, int number)
{
    for (int i = model->count++; i > at; i--)
        model->numbers[i] = model->numbers[i - 1];
    model->numbers[at] = number;
}

static void model_remove(struct model *model, int number)
{
    int kept = 0;
    for (int i = 0; i < model->count; i++)
        if (model->numbers[i] != number)
            model->numbers[kept++] = model->numbers[i];
    model->count = kept;
}

static void compare(struct wf_list *list, const struct model *model)
{
    int i = 0;
    WF_LIST_EACH(link, list) {
        assert_true(i < model->count);
        assert_int_equal(number_of(link), model->numbers[i++]);
        assert_ptr_equal(link->next->previous, link);
    }
    assert_int_equal(i, model->count);
    assert_int_equal(wf_list_is_empty(list), model->count == 0);
}

static void test_list_random_steps_match_model(void **state)
{
    (void)state;
    struct dice dice = dice_seed("test_list");
    struct wf_list list;
    struct item items[LINKS];
    struct model model = { .count = 0 };
    wf_list_init(&list);
    for (int i = 0; i < LINKS; i++) {
        items[i].number = i;
        wf_list_init(&items[i].link);
    }
    for (int step = 0; step < STEPS; step++) {
        struct item *item = &items[dice_below(&dice, LINKS)];
        if (!wf_list_is_empty(&item->link)) {
            wf_list_remove_init(&item->link);
            model_remove(&model, item->number);
        } else if (dice_below(&dice, 2)) {
            wf_list_push_back(&list, &item->link);
            model_insert(&model, model.count, item->number);
        } else {
            wf_list_push_front(&list, &item->link);
            model_insert(&model, 0, item->number);
        }
        if (step % 8 == 0)
            compare(&list, &model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_new_is_empty),
        cmocka_unit_test(test_list_remove_init_twice_is_harmless),
        cmocka_unit_test(test_list_remove_leaves_null_behind),
        cmocka_unit_test(test_list_each_safe_may_remove_all),
        cmocka_unit_test(test_list_splice_appends_in_order),
        cmocka_unit_test(test_list_random_steps_match_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
