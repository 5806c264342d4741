#include "redis/command.h"

#include "base/compiler.h"

#include <weft/log.h>
#include <weft/memory.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#define ONE_CASE UINT64_C(0x2020202020202020)

/* --- names --- */

/* Head and tail overlap in short names. */
static void read_ends(const char *name, size_t size, uint64_t *head, uint64_t *tail)
{
    *head = *tail = 0;
    memcpy(head, name, size < 8 ? size : 8);
    if (size > 8)
        memcpy(tail, name + size - 8, 8);
    *head |= ONE_CASE;
    *tail |= ONE_CASE;
}

static uint32_t slot_of(const struct wf_redis_commands *commands, uint64_t head, uint64_t tail,
                        size_t size)
{
    uint64_t mixed = (head ^ tail >> 7 ^ size) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 40) & commands->mask;
}

static bool is_called(const struct wf_redis_entry *entry, weft_slice name, uint64_t head,
                      uint64_t tail)
{
    return entry->head == head && entry->tail == tail && entry->length == name.size &&
           (entry->is_letters || strncasecmp(entry->command->name, name.data, name.size) == 0);
}

struct wf_redis_entry *wf_redis_commands_find(const struct wf_redis_commands *commands,
                                              weft_slice name)
{
    uint64_t head, tail;
    if (name.size == 0 || name.size > WF_REDIS_NAME_MAX)
        return NULL;
    read_ends(name.data, name.size, &head, &tail);
    uint32_t slot = slot_of(commands, head, tail, name.size);
    for (; commands->slots[slot]; slot = (slot + 1) & commands->mask) {
        struct wf_redis_entry *entry = &commands->entries[commands->slots[slot] - 1];
        if (is_called(entry, name, head, tail))
            return entry;
    }
    return NULL;
}

/* --- the list --- */

static uint32_t count_lines(const weft_redis_command *table)
{
    uint32_t count = 0;
    while (table && table[count].handler)
        count++;
    return count;
}

static bool is_letters(const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)((name[i] | 0x20) - 'a') > 'z' - 'a')
            return false;
    return size <= 16;
}

static int refuse(const weft_redis_command *command, const char *why)
{
    weft_log(WEFT_LOG_APPLICATION, WEFT_LOG_ERROR, "the command \"%s\" %s",
             command->name ? command->name : "(null)", why);
    return -EINVAL;
}

static int check(const weft_redis_command *command)
{
    if (!command->name || !*command->name || strlen(command->name) > WF_REDIS_NAME_MAX)
        return refuse(command, "has no name, or one of more than 31 bytes");
    if (command->first_key < 0 || command->key_step < 0)
        return refuse(command, "has keys before its name");
    return 0;
}

static void add(struct wf_redis_commands *commands, const weft_redis_command *command)
{
    struct wf_redis_entry *entry = &commands->entries[commands->count++];
    size_t size = strlen(command->name);
    entry->command = command;
    entry->length = (uint32_t)size;
    entry->is_letters = is_letters(command->name);
    read_ends(command->name, size, &entry->head, &entry->tail);
    uint32_t slot = slot_of(commands, entry->head, entry->tail, size);
    while (commands->slots[slot])
        slot = (slot + 1) & commands->mask;
    commands->slots[slot] = (uint16_t)commands->count;
}

static int add_all(struct wf_redis_commands *commands, const weft_redis_command *table,
                   bool may_repeat)
{
    for (; table && table->handler; table++) {
        int err = check(table);
        if (err < 0)
            return err;
        weft_slice name = { table->name, strlen(table->name) };
        if (!wf_redis_commands_find(commands, name))
            add(commands, table);
        else if (!may_repeat)
            return refuse(table, "is in the table twice");
    }
    return 0;
}

static int reserve(struct wf_redis_commands *commands, uint32_t count)
{
    uint32_t slots = 64;
    if (count >= UINT16_MAX / 4)
        return -EINVAL;
    while (slots < count * 4)
        slots *= 2;
    commands->mask = slots - 1;
    commands->slots = weft_alloc(slots * sizeof *commands->slots);
    commands->entries = weft_alloc(count * sizeof *commands->entries);
    return commands->slots && commands->entries ? 0 : -ENOMEM;
}

int wf_redis_commands_init(struct wf_redis_commands *commands, const weft_redis_command *users,
                           const weft_redis_command *own)
{
    *commands = (struct wf_redis_commands){ 0 };
    int err = reserve(commands, count_lines(users) + count_lines(own));
    if (err == 0)
        err = add_all(commands, users, false);
    if (err == 0)
        err = add_all(commands, own, true);
    if (err < 0)
        wf_redis_commands_fini(commands);
    return err;
}

void wf_redis_commands_fini(struct wf_redis_commands *commands)
{
    for (uint32_t i = 0; i < commands->count; i++)
        weft_free(commands->entries[i].times);
    weft_free(commands->entries);
    weft_free(commands->slots);
    *commands = (struct wf_redis_commands){ 0 };
}

/* --- arguments --- */

bool wf_redis_command_takes(const weft_redis_command *command, size_t count)
{
    int arity = command->arity;
    return arity >= 0 ? arity == 0 || count == (size_t)arity : count >= (size_t)-arity;
}

bool wf_redis_command_keys(const weft_redis_command *command, size_t count, size_t *first,
                           size_t *last, size_t *step)
{
    int64_t end = command->last_key < 0 ? (int64_t)count + command->last_key : command->last_key;
    *first = (size_t)command->first_key;
    *step = command->key_step ? (size_t)command->key_step : 1;
    if (end >= (int64_t)count)
        end = (int64_t)count - 1;
    if (*first == 0 || end < (int64_t)*first)
        return false;
    *last = (size_t)end;
    return true;
}

/* --- times --- */

static unsigned index_of(int64_t time)
{
    uint64_t value = time > 0 ? (uint64_t)time : 0;
    if (value < WF_REDIS_TIMES_SUB)
        return (unsigned)value;
    unsigned power = 63 - (unsigned)__builtin_clzll(value);
    unsigned index = (power - 3) * WF_REDIS_TIMES_SUB + ((value >> (power - 4)) & 15);
    return index < WF_REDIS_TIMES_MAX ? index : WF_REDIS_TIMES_MAX - 1;
}

/* The largest value that is counted there. */
static int64_t value_at(unsigned index)
{
    if (index < WF_REDIS_TIMES_SUB)
        return index;
    unsigned power = index / WF_REDIS_TIMES_SUB + 3;
    return (int64_t)((UINT64_C(16) + index % WF_REDIS_TIMES_SUB + 1) << (power - 4)) - 1;
}

void wf_redis_entry_note(struct wf_redis_entry *entry, int64_t time)
{
    entry->calls++;
    entry->time += time > 0 ? (uint64_t)time : 0;
    if (WF_UNLIKELY(!entry->times))
        entry->times = weft_alloc(sizeof *entry->times);
    if (entry->times)
        entry->times->counts[index_of(time)]++;
}

void wf_redis_commands_reset(struct wf_redis_commands *commands)
{
    for (uint32_t i = 0; i < commands->count; i++) {
        struct wf_redis_entry *entry = &commands->entries[i];
        entry->calls = entry->time = entry->rejected = entry->failed = 0;
        weft_free(entry->times);
        entry->times = NULL;
    }
}

static uint64_t total_of(const struct wf_redis_times *times)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < WF_REDIS_TIMES_MAX; i++)
        total += times->counts[i];
    return total;
}

int64_t wf_redis_times_percentile(const struct wf_redis_times *times, double percent)
{
    uint64_t sum = 0, wanted = (uint64_t)((double)total_of(times) * percent / 100 + 0.5);
    for (unsigned i = 0; i < WF_REDIS_TIMES_MAX; i++) {
        sum += times->counts[i];
        if (sum > 0 && sum >= wanted)
            return value_at(i);
    }
    return 0;
}

uint64_t wf_redis_times_until(const struct wf_redis_times *times, int64_t time)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < WF_REDIS_TIMES_MAX && value_at(i) <= time; i++)
        sum += times->counts[i];
    return sum;
}
