/* Random commands of all kinds, from several clients at the same time, beside a plain model.
 *
 *      client ── a batch of calls ──> mem: ──> the server
 *        └── for each reply: what does the model say? ── the same, or a failure
 *
 * Each client has keys of its own, so it knows what comes, while the server's turns hold commands
 * of all. Between batches it may sleep: in virtual time keys expire to the millisecond, whether
 * they are asked for or found by the timer. The limits of the compact encodings are so low that
 * values are often converted. Half the clients speak version 3. */

#include "../base/model.h"
#include "kv_command_test.h"
#include "kv_model.h"

#define CLIENTS    4
#define BATCH_MAX  16
#define LARGE      40   /* elements, or … */
#define LARGE_TEXT 2000 /* … bytes of a value that is deleted before it becomes larger */
#define REPLY_MAX  (1 << 18)

/* Each has keys that are mostly its own; the last one has none. */
static const struct row *const families[] = { model_strings, model_sets,   model_zsets,
                                              model_lists,   model_hashes, model_keys };

#define FAMILIES  WF_ARRAY_SIZE(families)
#define KEYS_EACH (MODEL_KEYS / (FAMILIES - 1))

static struct client {
    struct model model;
    struct dice dice;
    size_t family; /* of the call that is made */
    weft_stream *stream;
    char prefix;
    size_t begin, end; /* of what was read ahead */
    char ahead[1 << 14];
    size_t size; /* of the reply */
    char reply[REPLY_MAX];
    struct call calls[BATCH_MAX];
} clients[CLIENTS];

static struct kv *served; /* by all of them */

/* --- words, by lot --- */

static void word_print(struct word *word, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(word->data, sizeof word->data, format, args);
    va_end(args);
    assert_in_range(size, 0, sizeof word->data - 1);
    word->size = (size_t)size;
}

static void make_member(struct client *client, struct word *word)
{
    size_t n = dice_below(&client->dice, 40);
    if (n < 16)
        word_print(word, "%d", (int)n * (n % 3 ? 1 : -5000));
    else if (n < 38)
        word_print(word, "m%d", (int)n);
    else
        word_print(word, "%0*d", n == 38 ? 64 : 70,
                   (int)n); /* longer than compact sets have them */
}

static void make_value(struct client *client, struct word *word)
{
    switch (dice_below(&client->dice, 5)) {
    case 0:
        word_print(word, "%s", "");
        break;
    case 1:
    case 2:
        word_print(word, "%d", (int)dice_below(&client->dice, 300) - 100);
        break;
    case 3:
        word_print(word, "%lld", (long long)dice_throw(&client->dice) << 31);
        break;
    default:
        make_member(client, word);
    }
}

static void make_number(struct client *client, struct word *word)
{
    static const long long numbers[] = { 0, 1, -1, 7, 1000, -70000, INT64_MAX, 1 - INT64_MAX };
    word_print(word, "%lld", numbers[dice_below(&client->dice, WF_ARRAY_SIZE(numbers))]);
}

static void make_bound(struct client *client, struct word *word)
{
    int n = (int)dice_below(&client->dice, 14);
    if (n < 2)
        word_print(word, "%s", n ? "-inf" : "+inf");
    else
        word_print(word, "%s%.1f", n % 3 ? "" : "(", (n - 6) * 0.5);
}

static void make_key(struct client *client, struct word *word)
{
    size_t n = dice_below(&client->dice, MODEL_KEYS);
    if (client->family < FAMILIES - 1 && dice_below(&client->dice, 10) < 7)
        n = client->family * KEYS_EACH + n % KEYS_EACH;
    word_print(word, "%c:k%d", client->prefix, (int)n);
}

static void make_word(struct client *client, char kind, struct word *word)
{
    int n = (int)dice_below(&client->dice, 14);
    if (kind == 'K')
        make_key(client, word);
    else if (kind == 'M')
        make_member(client, word);
    else if (kind == 'V')
        make_value(client, word);
    else if (kind == 'N')
        make_number(client, word);
    else if (kind == 'B')
        make_bound(client, word);
    else if (kind == 'S')
        word_print(word, "%.1f", (n - 6) * 0.5);
    else if (kind == 'I')
        word_print(word, "%d", n - 7);
    else if (kind == 'T')
        word_print(word, "%d", 1 + n * n * n);
    else
        fail_msg("there is no kind of words '%c'", kind);
}

/* --- calls, by lot --- */

static struct word *next_word(struct call *call)
{
    assert_true(call->count < MODEL_WORDS);
    return &call->args[call->count++];
}

/* One of what stands in the row between blanks. */
static void make_words(struct client *client, struct call *call, const char *text, size_t size)
{
    bool repeats = size > 1 && text[size - 1] == '+';
    size_t times = repeats ? 1 + dice_below(&client->dice, 3) : 1;
    if (text[0] < 'A' || text[0] > 'Z') {
        word_print(next_word(call), "%.*s", (int)size, text);
        return;
    }
    if (text[0] == 'C') {
        times = 1 + dice_below(&client->dice, 3);
        word_print(next_word(call), "%d", (int)times);
        text = "K";
        size = 1;
    }
    for (; times > 0; times--)
        for (size_t i = 0; i < size - repeats; i++)
            make_word(client, text[i], next_word(call));
}

/* Write one alternative of "{a|b|c}" out. Returns what is behind it. */
static const char *choose(struct client *client, const char *text, char *out)
{
    size_t count = 1, length = strcspn(text, "}");
    for (size_t i = 0; i < length; i++)
        count += text[i] == '|';
    size_t left = dice_below(&client->dice, count);
    const char *at = text + 1;
    for (; left > 0; left--)
        at += strcspn(at, "|") + 1;
    size_t size = strcspn(at, "|}");
    memcpy(out, at, size);
    out[size] = '\0';
    return text + length + 1;
}

static void make_call(struct client *client, const struct row *row, struct call *call)
{
    char plain[200] = "";
    size_t size = 0;
    *call = (struct call){ .row = row, .count = 1 };
    word_print(&call->args[0], "%s", row->name);
    for (const char *at = row->words; *at; size = strlen(plain)) {
        assert_true(size + 50 < sizeof plain);
        if (*at == '{')
            at = choose(client, at, plain + size);
        else
            plain[size] = *at++;
    }
    for (const char *at = plain; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length > 0)
            make_words(client, call, at, length);
        at += length;
    }
}

/* A server without any of a family's commands is not asked for them. */
static bool is_offered(const struct row *family)
{
    const weft_redis_command *command = served->commands;
    while (command->handler && strcmp(command->name, family->name) != 0)
        command++;
    return command->handler != NULL;
}

static const struct row *pick_row(struct client *client)
{
    size_t count = 0;
    do
        client->family = dice_below(&client->dice, FAMILIES);
    while (!is_offered(families[client->family]));
    const struct row *family = families[client->family];
    while (family[count].name)
        count++;
    return &family[dice_below(&client->dice, count)];
}

/* A large value is deleted instead of what would be done to it. */
static void make_batch(struct client *client, int count)
{
    for (int i = 0; i < count; i++) {
        struct call *call = &client->calls[i];
        make_call(client, pick_row(client), call);
        int at = call->args[1].data[1] == ':' ? 1 : 2;
        const struct value *value = model_value(&client->model, &call->args[at]);
        if (value->count <= LARGE && value->size <= LARGE_TEXT)
            continue;
        struct word key = call->args[at];
        make_call(client, model_keys, call); /* DEL */
        call->args[1] = key;
        call->count = 2;
    }
}

/* --- the wire --- */

static void send_batch(struct client *client, int count)
{
    static _Thread_local char text[BATCH_MAX * MODEL_WORDS * 96];
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        const struct call *call = &client->calls[i];
        size += (size_t)sprintf(text + size, "*%d\r\n", call->count);
        for (int j = 0; j < call->count; j++)
            size += (size_t)sprintf(text + size, "$%zu\r\n%s\r\n", call->args[j].size,
                                    call->args[j].data);
    }
    assert_int_equal(weft_write(client->stream, text, size), 0);
}

static void take_byte(struct client *client)
{
    if (client->begin == client->end) {
        ssize_t n = weft_read(client->stream, client->ahead, sizeof client->ahead);
        assert_true(n > 0);
        client->begin = 0;
        client->end = (size_t)n;
    }
    assert_true(client->size + 1 < sizeof client->reply);
    client->reply[client->size++] = client->ahead[client->begin++];
}

/* A line of the reply; returns where it begins. */
static const char *take_line(struct client *client)
{
    size_t begin = client->size;
    do
        take_byte(client);
    while (client->reply[client->size - 1] != '\n');
    client->reply[client->size] = '\0';
    return client->reply + begin;
}

/* How many values follow a line as a part of it; the bytes of a string are taken at once. */
static long take_value(struct client *client)
{
    const char *line = take_line(client);
    char kind = *line;
    long count = strtol(line + 1, NULL, 10);
    if (kind == '$' && count >= 0)
        for (long i = 0; i < count + 2; i++)
            take_byte(client);
    client->reply[client->size] = '\0';
    if (kind == '%')
        return 2 * count;
    return (kind == '*' || kind == '~') && count > 0 ? count : 0;
}

static void take_reply(struct client *client)
{
    client->size = 0;
    for (long left = 1; left > 0; left--)
        left += take_value(client);
}

/* --- comparing --- */

struct span {
    const char *text;
    size_t size;
};

static int compare_spans(const void *a, const void *b)
{
    const struct span *left = a, *right = b;
    size_t size = left->size < right->size ? left->size : right->size;
    int order = memcmp(left->text, right->text, size);
    return order ? order : (left->size > right->size) - (left->size < right->size);
}

/* Strings behind the head of a reply, so many in a span. Returns how many spans. */
static size_t divide(const char *text, const char *end, int step, struct span *spans)
{
    size_t count = 0;
    for (text = strchr(text, '\n') + 1; text < end; count++) {
        spans[count].text = text;
        for (int i = 0; i < step && text < end; i++)
            text = strchr(text, '\n') + 1 + atoi(text + 1) + 2;
        spans[count].size = (size_t)(text - spans[count].text);
    }
    return count;
}

static bool same_in_any_order(const struct client *client, int step)
{
    static struct span heard[MODEL_ELEMENTS * 4], said[MODEL_ELEMENTS * 4];
    const struct model *model = &client->model;
    if (client->size != model->said_size || client->reply[0] != model->said[0])
        return false;
    size_t count = divide(client->reply, client->reply + client->size, step, heard);
    if (count != divide(model->said, model->said + model->said_size, step, said))
        return false;
    qsort(heard, count, sizeof heard[0], compare_spans);
    qsort(said, count, sizeof said[0], compare_spans);
    for (size_t i = 0; i < count; i++)
        if (compare_spans(&heard[i], &said[i]) != 0)
            return false;
    return true;
}

static bool is_expected(const struct client *client, const struct call *call)
{
    const struct model *model = &client->model;
    if (model->said[0] == '-') /* the first word */
        return strncmp(client->reply, model->said, model->said_size) == 0;
    if (call->row->order != ORDER_GIVEN && strchr("*~%", model->said[0]))
        return same_in_any_order(client, call->row->order == ORDER_ANY ? 1 : 2);
    return client->size == model->said_size &&
           memcmp(client->reply, model->said, client->size) == 0;
}

static void print_call(const struct call *call)
{
    for (int i = 0; i < call->count; i++)
        print_error(" '%s'", call->args[i].data);
    print_error("\n");
}

static void compare_reply(struct client *client, const struct call *call)
{
    struct model *model = &client->model;
    model->said_size = 0;
    model->said[0] = '\0';
    model->heard = client->reply;
    call->row->answer(model, call);
    model->said[model->said_size] = '\0';
    if (is_expected(client, call))
        return;
    for (const struct call *at = client->calls; at <= call; at++)
        print_call(at);
    fail_msg("client %c, version %d: expected\n%s\nheard\n%s", client->prefix, model->version,
             model->said, client->reply);
}

/* --- clients --- */

static void run_batch(struct client *client, int count)
{
    client->model.now = kv_time(served);
    make_batch(client, count);
    send_batch(client, count);
    for (int i = 0; i < count; i++) {
        take_reply(client);
        compare_reply(client, &client->calls[i]);
    }
    assert_int_equal(kv_time(served), client->model.now); /* all of it in one millisecond */
}

static size_t operations(void)
{
    const char *text = getenv("WEFT_TEST_OPERATIONS");
    return text ? strtoull(text, NULL, 10) : 100000;
}

static int run_client(void *arg)
{
    struct client *client = arg;
    client->stream = client->model.version == 3 ? dial_3() : dial();
    for (size_t left = operations() / CLIENTS; left > 0;) {
        size_t count = 1 + dice_below(&client->dice, BATCH_MAX);
        count = count < left ? count : left;
        run_batch(client, (int)count);
        left -= count;
        if (dice_below(&client->dice, 3) == 0)
            weft_sleep((int64_t)dice_below(&client->dice, 200) * WEFT_MILLISECOND);
    }
    weft_close(client->stream);
    return 0;
}

static void lower_limits(struct kv_limits *limits)
{
    limits->hash_count = limits->set_count = limits->zset_count = limits->set_integers = 8;
}

static int commands_main(void *arg)
{
    struct kv_site *site = arg;
    weft_scope serving, asking;
    weft_task *server;
    assert_int_equal(kv_init(&site->kv, 1), 0);
    served = &site->kv;
    lower_limits(&site->kv.keyspace.limits);
    site->kv.day = 1000000000 * WEFT_SECOND; /* the same each time */
    assert_int_equal(weft_redis_listen(&site->listener, "mem:redis"), 0);
    weft_scope_begin(&serving);
    assert_int_equal(weft_spawn(&serving, kv_site_serve, site, .task = &server), 0);
    weft_scope_begin(&asking);
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(weft_spawn(&asking, run_client, &clients[i]), 0);
    assert_int_equal(weft_scope_end(&asking), 0);
    weft_task_cancel(server, "the test is over");
    assert_int_equal(weft_scope_end(&serving), 0);
    weft_task_release(server);
    weft_listener_close(site->listener);
    kv_fini(&site->kv);
    return 0;
}

static void test_commands_random_as_the_model_says(void **state)
{
    struct kv_site site = { .body = NULL };
    struct dice dice = dice_seed("kv commands");
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].dice.state = dice_throw(&dice);
        clients[i].prefix = (char)('a' + i);
        clients[i].model.version = i % 2 ? 3 : 2;
    }
    assert_int_equal(weft_run(commands_main, &site, .clock = WEFT_CLOCK_TEST, .no_signals = true),
                     0);
    assert_int_equal(site.result, -ECANCELED);
    assert_int_equal(kv_memory_used(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        redis_test(test_commands_random_as_the_model_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
