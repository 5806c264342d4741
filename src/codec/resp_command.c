/* Commands as servers read them.
 *
 *             '*' count            '$' length            bytes, "\r\n"
 *     START ─────────────> HEAD ─────────────> STRING ──────────────> HEAD ... until all are there
 *       └── anything else: LINE, which is split into words
 *
 * expected == 0: START or LINE; string < 0: HEAD; else STRING. A line for people is words between
 * blanks; "..." with escapes, and '...' in which \' alone is one, hold blanks too. */

#include "codec/resp.h"

#include <string.h>

#define COUNT_LINE_MAX 24 /* of an announcement: no number of ours has more digits */

void wf_resp_command_begin(struct wf_resp_command *command, const struct wf_resp_limits *limits)
{
    command->count = 0;
    command->need = 0;
    command->size = 0;
    command->why = NULL;
    command->limits = *limits;
    command->window = NULL;
    command->scanned = 0;
    command->expected = 0;
    command->string = -1;
}

static enum wf_resp_result refuse(struct wf_resp_command *command, const char *why)
{
    command->why = why;
    return WF_RESP_REFUSED;
}

static enum wf_resp_result complete(struct wf_resp_command *command, size_t size)
{
    command->size = (uint32_t)size;
    return WF_RESP_COMPLETE;
}

static enum wf_resp_result ask_for_room(struct wf_resp_command *command, uint32_t need)
{
    command->need = need;
    return WF_RESP_ROOM;
}

/* What was noted lies in the new window as it lay in the old one. */
static void follow(struct wf_resp_command *command, const char *window)
{
    for (uint32_t i = 0; command->window != window && i < command->count; i++)
        command->args[i].data = window + (command->args[i].data - command->window);
    command->window = window;
}

/* --- a line --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' || c == '\0';
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is behind a backslash between double quotes; returns the bytes that it takes. */
static size_t unescape(const char *at, size_t len, char *out)
{
    static const char letters[] = "nrtba", meant[] = "\n\r\t\b\a";
    if (len >= 3 && at[0] == 'x' && hex_of(at[1]) >= 0 && hex_of(at[2]) >= 0) {
        *out = (char)(hex_of(at[1]) * 16 + hex_of(at[2]));
        return 3;
    }
    const char *letter = memchr(letters, at[0], sizeof letters - 1);
    *out = letter ? meant[letter - letters] : at[0];
    return 1;
}

/* A word between quotes that begins at `at`, unquoted to *out. Returns what is behind its end, NULL
 * where there is none, or more than a blank follows it. */
static char *unquote(char *at, char *end, char **out)
{
    char quote = *at++;
    while (at < end && *at != quote) {
        bool escapes = *at == '\\' && at + 1 < end && (quote == '"' || at[1] == '\'');
        if (!escapes)
            *(*out)++ = *at++;
        else if (quote == '"')
            at += 1 + unescape(at + 1, (size_t)(end - at - 1), (*out)++);
        else
            *(*out)++ = '\'', at += 2;
    }
    if (at == end || (at + 1 < end && !is_blank(at[1])))
        return NULL;
    return at + 1;
}

/* One word. Quotes may begin in the middle of it. */
static char *read_word(char *at, char *end, weft_slice *word)
{
    char *out = at;
    word->data = at;
    while (at && at < end && !is_blank(*at)) {
        if (*at == '"' || *at == '\'')
            at = unquote(at, end, &out);
        else
            *out++ = *at++;
    }
    word->size = (size_t)(out - word->data);
    return at;
}

static enum wf_resp_result split(struct wf_resp_command *command, char *at, char *end)
{
    size_t size = (size_t)(end + 1 - at);
    uint32_t most = (uint32_t)(end - at + 1) / 2;
    if (command->room < most)
        return ask_for_room(command, most);
    while (at < end) {
        if (is_blank(*at)) {
            at++;
            continue;
        }
        at = read_word(at, end, &command->args[command->count++]);
        if (!at)
            return refuse(command, "unbalanced quotes in request");
    }
    return complete(command, size);
}

static enum wf_resp_result parse_line(struct wf_resp_command *command, char *window, size_t len)
{
    size_t max = command->limits.inline_max, from = command->scanned, to = len < max ? len : max;
    char *end = from < to ? memchr(window + from, '\n', to - from) : NULL;
    command->scanned = end ? (uint32_t)(end - window) : (uint32_t)to;
    if (end)
        return split(command, window, end);
    return len < max ? WF_RESP_MORE : refuse(command, "too big inline request");
}

/* --- an array --- */

enum number { NUMBER_MORE, NUMBER_WRONG, NUMBER_THERE };

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Numbers of one and two digits, which most are; false: it is another one, or not whole. */
static inline bool read_short_number(struct wf_resp_command *command, const char *window,
                                     size_t len, int64_t *value)
{
    const char *at = window + command->scanned + 1;
    if (len - command->scanned < 5 || !is_digit(at[0]))
        return false;
    if (at[1] == '\r' && at[2] == '\n') {
        *value = at[0] - '0';
        command->scanned += 4;
        return true;
    }
    if (at[0] == '0' || !is_digit(at[1]) || at[2] != '\r' || at[3] != '\n')
        return false;
    *value = (at[0] - '0') * 10 + (at[1] - '0');
    command->scanned += 5;
    return true;
}

/* Digits that nobody writes otherwise: no zero leads, and none has a sign. */
static bool are_digits(const char *digits, const char *end, bool negative)
{
    return end > digits && (*digits != '0' || (end == digits + 1 && !negative));
}

/* "digits\r\n" at the next byte but one, which is passed. */
static enum number read_long_number(struct wf_resp_command *command, const char *window, size_t len,
                                    int64_t *value)
{
    const char *begin = window + command->scanned + 1, *at = begin, *end = window + len;
    bool negative = at < end && *at == '-';
    int64_t sum = 0;
    for (at += negative; at < end && is_digit(*at); at++) {
        if (at - begin >= COUNT_LINE_MAX - 6)
            return NUMBER_WRONG;
        sum = sum * 10 + (*at - '0');
    }
    if (at == end)
        return NUMBER_MORE;
    if (!are_digits(begin + negative, at, negative) || *at != '\r')
        return NUMBER_WRONG;
    if (at + 1 == end)
        return NUMBER_MORE;
    if (at[1] != '\n')
        return NUMBER_WRONG;
    *value = negative ? -sum : sum;
    command->scanned = (uint32_t)(at + 2 - window);
    return NUMBER_THERE;
}

static inline enum number read_number(struct wf_resp_command *command, const char *window,
                                      size_t len, int64_t *value)
{
    return read_short_number(command, window, len, value)
               ? NUMBER_THERE
               : read_long_number(command, window, len, value);
}

static enum wf_resp_result begin_array(struct wf_resp_command *command, const char *window,
                                       size_t len)
{
    int64_t count = 0;
    enum number number = read_number(command, window, len, &count);
    if (number == NUMBER_MORE)
        return WF_RESP_MORE;
    if (number == NUMBER_WRONG || count > command->limits.count_max)
        return refuse(command, "invalid multibulk length");
    if (count <= 0)
        return complete(command, command->scanned);
    command->expected = (uint32_t)count;
    return WF_RESP_COMPLETE;
}

static enum wf_resp_result begin_string(struct wf_resp_command *command, const char *window,
                                        size_t len)
{
    if (command->scanned == len)
        return WF_RESP_MORE;
    if (window[command->scanned] != '$')
        return refuse(command, "expected '$'");
    enum number number = read_number(command, window, len, &command->string);
    if (number == NUMBER_MORE)
        return WF_RESP_MORE;
    if (number == NUMBER_WRONG || command->string < 0 ||
        command->string > command->limits.string_max)
        return refuse(command, "invalid bulk length");
    return WF_RESP_COMPLETE;
}

static enum wf_resp_result end_string(struct wf_resp_command *command, const char *window,
                                      size_t len)
{
    size_t size = (size_t)command->string, end = command->scanned + size;
    if (len < end + 2)
        return WF_RESP_MORE;
    if (memcmp(window + end, "\r\n", 2) != 0)
        return refuse(command, "expected the end of a bulk string");
    command->args[command->count++] = (weft_slice){ window + command->scanned, size };
    command->scanned = (uint32_t)end + 2;
    command->string = -1;
    return WF_RESP_COMPLETE;
}

/* Twice as many as are there: an announcement alone costs nothing. */
static uint32_t more_room(const struct wf_resp_command *command)
{
    uint32_t twice = command->count < 8 ? 16 : command->count * 2;
    return twice < command->expected ? twice : command->expected;
}

static enum wf_resp_result parse_strings(struct wf_resp_command *command, const char *window,
                                         size_t len)
{
    while (command->count < command->expected) {
        enum wf_resp_result result = WF_RESP_COMPLETE;
        if (command->count == command->room)
            return ask_for_room(command, more_room(command));
        if (command->string < 0)
            result = begin_string(command, window, len);
        if (result == WF_RESP_COMPLETE)
            result = end_string(command, window, len);
        if (result != WF_RESP_COMPLETE)
            return result;
    }
    return complete(command, command->scanned);
}

enum wf_resp_result wf_resp_command_parse(struct wf_resp_command *command, char *window, size_t len)
{
    follow(command, window);
    if (len == 0)
        return WF_RESP_MORE;
    if (command->expected == 0) {
        if (window[0] != '*')
            return parse_line(command, window, len);
        enum wf_resp_result result = begin_array(command, window, len);
        if (result != WF_RESP_COMPLETE || command->expected == 0)
            return result;
    }
    return parse_strings(command, window, len);
}
