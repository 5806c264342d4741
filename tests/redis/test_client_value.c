/* Values: every kind, every nesting, and a lack of memory at each step. */

#include "client_test.h"

#include "redis/value.h"

static struct wf_resp_node nodes[256];

static void parse(const char *text, size_t size, struct wf_resp_reply *reply)
{
    static const struct wf_resp_limits limits = WF_RESP_LIMITS_DEFAULT;
    *reply = (struct wf_resp_reply){ .nodes = nodes, .room = WF_ARRAY_SIZE(nodes) };
    wf_resp_reply_begin(reply, &limits);
    assert_int_equal(wf_resp_reply_parse(reply, text, size), WF_RESP_COMPLETE);
    assert_int_equal(reply->size, size);
}

static const weft_redis_value *build(const char *text)
{
    struct wf_resp_reply reply;
    const weft_redis_value *value;
    parse(text, strlen(text), &reply);
    assert_int_equal(wf_redis_value_build(arena, &reply, &value), 0);
    return value;
}

static const struct {
    const char *wire, *text;
} vectors[] = {
    { "+OK\r\n", "+OK" },
    { "-ERR no\r\n", "-ERR no" },
    { "!6\r\nERR\r\nx\r\n", "-ERR\r\nx" },
    { ":-7\r\n", "-7" },
    { "$3\r\nabc\r\n", "'abc'" },
    { "$0\r\n\r\n", "''" },
    { "$-1\r\n", "null" },
    { "*-1\r\n", "null" },
    { "_\r\n", "null" },
    { "#t\r\n", "true" },
    { "#f\r\n", "false" },
    { ",1.5\r\n", "1.5" },
    { ",-inf\r\n", "-inf" },
    { "(123456789012345678901234567890\r\n", "(123456789012345678901234567890" },
    { "=7\r\ntxt:abc\r\n", "'abc'" },
    { "*0\r\n", "[]" },
    { "%0\r\n", "{}" },
    { "*3\r\n:1\r\n$1\r\na\r\n*2\r\n:2\r\n:3\r\n", "[1 'a' [2 3]]" },
    { "*3\r\n*1\r\n*1\r\n:1\r\n*0\r\n:4\r\n", "[[[1]] [] 4]" },
    { "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n", "{+a 1 +b [null]}" },
    { "~2\r\n:1\r\n:2\r\n", "(1 2)" },
    { ">2\r\n+a\r\n:2\r\n", ">+a 2<" },
    { "|1\r\n+ttl\r\n:9\r\n:5\r\n", "|{+ttl 9}|5" },
    { "*2\r\n|1\r\n+a\r\n*1\r\n:1\r\n:5\r\n:6\r\n", "[|{+a [1]}|5 6]" },
    { "*2\r\n:5\r\n|1\r\n+a\r\n:1\r\n*1\r\n:6\r\n", "[5 |{+a 1}|[6]]" },
    { "$?\r\n;2\r\nab\r\n;3\r\ncde\r\n;0\r\n", "'abcde'" },
    { "*2\r\n$?\r\n;1\r\nx\r\n;0\r\n:3\r\n", "['x' 3]" },
    { "*?\r\n:1\r\n:2\r\n.\r\n", "[1 2]" },
};

static int check_vectors(void *arg)
{
    (void)arg;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    for (size_t i = 0; i < WF_ARRAY_SIZE(vectors); i++)
        assert_string_equal(show(build(vectors[i].wire)), vectors[i].text);
    weft_arena_free(arena);
    return 0;
}

static void test_value_is_what_was_sent(void **state)
{
    (void)state;
    assert_int_equal(run(check_vectors, NULL), 0);
}

static void test_value_keeps_bytes_of_every_kind(void **state)
{
    (void)state;
    struct wf_resp_reply reply;
    const weft_redis_value *value;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    parse("$4\r\na\0\r\n\r\n", 10, &reply);
    assert_int_equal(wf_redis_value_build(arena, &reply, &value), 0);
    assert_int_equal(value->size, 4);
    assert_memory_equal(value->text, "a\0\r\n", 5);
    weft_arena_free(arena);
}

static void test_value_is_found_by_place_and_by_key(void **state)
{
    (void)state;
    assert_int_equal(weft_arena_new(&arena, SIZE_MAX), 0);
    const weft_redis_value *map = build("%2\r\n+a\r\n:1\r\n$1\r\nb\r\n:2\r\n");
    const weft_redis_value *flat = build("*5\r\n+a\r\n:1\r\n$1\r\nb\r\n:2\r\n+c\r\n");
    assert_int_equal(weft_redis_value_find(map, "b")->integer, 2);
    assert_int_equal(weft_redis_value_find(flat, "a")->integer, 1);
    assert_null(weft_redis_value_find(flat, "c"));
    assert_null(weft_redis_value_find(map, "bb"));
    assert_null(weft_redis_value_find(NULL, "a"));
    assert_null(weft_redis_value_find(&map->elements[1], "a"));
    assert_int_equal(weft_redis_value_at(flat, 3)->integer, 2);
    assert_null(weft_redis_value_at(flat, 5));
    assert_null(weft_redis_value_at(NULL, 0));
    weft_arena_free(arena);
}

static void test_value_without_room_is_refused(void **state)
{
    (void)state;
    struct wf_resp_reply reply;
    const weft_redis_value *value = NULL;
    parse("*2\r\n$3\r\nabc\r\n:1\r\n", 17, &reply);
    for (size_t limit = 1; !value; limit += 16) {
        assert_int_equal(weft_arena_new(&arena, limit), 0);
        int err = wf_redis_value_build(arena, &reply, &value);
        assert_true(err == 0 || (err == -ENOMEM && !value));
        weft_arena_free(arena);
        assert_true(limit < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        http_test(test_value_is_what_was_sent),
        http_test(test_value_keeps_bytes_of_every_kind),
        http_test(test_value_is_found_by_place_and_by_key),
        http_test(test_value_without_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
