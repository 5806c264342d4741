#ifndef WF_CODEC_RESP_H
#define WF_CODEC_RESP_H

/* RESP, versions 2 and 3, as bytes: one codec for the server and for the client.
 *
 * Nothing here reads, waits, allocates or knows the time. The caller owns the input window, the
 * array that a message is noted in, and the output. Two readers:
 *
 *     wf_resp_command    what clients send: an array of strings, or a line for people ("inline")
 *     wf_resp_reply      what servers send: any value of either version, nested
 *
 *     wf_resp_command_begin(&command, &limits);
 *     for (;;)
 *         switch (wf_resp_command_parse(&command, window, len)) {
 *         case WF_RESP_MORE: ... more bytes behind the same ones; the window may lie elsewhere now
 *         case WF_RESP_ROOM: ... a longer array, of `need` entries, with the old ones copied to it
 *         case WF_RESP_COMPLETE: ... command.args, command.count; command.size bytes are used up
 *         case WF_RESP_REFUSED: ... command.why; nobody knows where the next one would begin
 *         }
 *
 * Zero-copy: a string is noted as where it lies in the window. Nothing is looked at twice, however
 * the bytes are cut, but for a line's end. An announced length costs nothing until its bytes are
 * there: what the caller has to hold is at most some times what a peer has sent.
 *
 * No recursion: nesting is a stack of WF_RESP_DEPTH_MAX frames in the reader. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weft/buffer.h>

#define WF_RESP_DEPTH_MAX 32

/* Bytes that the head of a value takes at most: its kind, 20 digits, a sign, the line's end. */
#define WF_RESP_HEAD_MAX 24

/* ... a double, which in version 2 is a string. */
#define WF_RESP_DOUBLE_MAX 48

struct wf_resp_limits {
    uint32_t string_max; /* bytes of one string */
    uint32_t count_max;  /* arguments of a command; elements of one value, pairs counted twice */
    uint32_t
        inline_max;     /* bytes of a line: of a command for people, a status, an error, a number */
    uint32_t depth_max; /* of nested values, at most WF_RESP_DEPTH_MAX */
};

#define WF_RESP_LIMITS_DEFAULT                                                                     \
    {                                                                                              \
        .string_max = 512u << 20, .count_max = 1u << 20, .inline_max = 64u << 10,                  \
        .depth_max = WF_RESP_DEPTH_MAX                                                             \
    }

enum wf_resp_result {
    WF_RESP_MORE,     /* nothing decided yet: call again with more bytes */
    WF_RESP_ROOM,     /* the array is full: call again with one of `need` entries */
    WF_RESP_COMPLETE, /* a message is there, and `size` bytes of the window are used up */
    WF_RESP_REFUSED,  /* `why` has a phrase */
};

/* --- commands --- */

/* Invariants: count <= expected, count <= room; scanned <= len of the last call; the noted strings
 * lie in `window`, which is that of the last call. */
struct wf_resp_command {
    weft_slice *args; /* the caller's; COMPLETE: the command's name, and what it is given */
    uint32_t room;    /* entries of args */
    uint32_t count;   /* of them that are noted. COMPLETE with 0: an empty line, nothing to do */
    uint32_t need;    /* ROOM: entries that args should have */
    uint32_t size;    /* COMPLETE: bytes used up */
    const char *why;  /* REFUSED: a phrase for the client, static text */
    struct wf_resp_limits limits;
    const char *window; /* of the last call */
    uint32_t scanned;   /* offset of the next byte to look at */
    uint32_t expected;  /* strings that the array announces; 0: not known yet */
    int64_t string;     /* bytes of the string that comes next; -1: not known yet */
};

/* Start on the next command. `args` and `room` stay as the caller has set them, all else is new. */
void wf_resp_command_begin(struct wf_resp_command *command, const struct wf_resp_limits *limits);

/* Go on. A line's quoted words are unquoted in place, so the window is written to. */
enum wf_resp_result wf_resp_command_parse(struct wf_resp_command *command, char *window,
                                          size_t len);

/* Bytes that a command takes on the wire. */
size_t wf_resp_command_size(const weft_slice *args, size_t count);

/* Write a command. Returns the end. */
char *wf_resp_command_write(char *out, const weft_slice *args, size_t count);

/* --- replies --- */

/* The first byte of a value says its kind. */
enum wf_resp_kind {
    WF_RESP_STATUS = '+',
    WF_RESP_ERROR = '-',
    WF_RESP_INTEGER = ':',
    WF_RESP_STRING = '$',
    WF_RESP_ARRAY = '*',
    WF_RESP_NULL = '_', /* version 2's "$-1" and "*-1" too */
    WF_RESP_BOOLEAN = '#',
    WF_RESP_DOUBLE = ',',
    WF_RESP_BIG_NUMBER = '(',
    WF_RESP_LONG_ERROR = '!',
    WF_RESP_VERBATIM = '=',
    WF_RESP_MAP = '%',
    WF_RESP_SET = '~',
    WF_RESP_ATTRIBUTE = '|', /* says something of the value behind it */
    WF_RESP_PUSH = '>',
    WF_RESP_CHUNKS = ';', /* a string whose length was not known: its pieces are STRING nodes */
};

/* One value. A value that has others in it is followed by them, depth first. */
struct wf_resp_node {
    uint8_t kind;   /* enum wf_resp_kind */
    uint32_t count; /* of values right inside: of a map twice its pairs; 0 for all that hold none */
    uint32_t end;   /* index of the first node behind this value and all inside it */
    uint32_t len;   /* of the text */
    union {
        const char *text; /* in the window: what has one, numbers too big for us among them */
        int64_t integer;  /* INTEGER, BOOLEAN (0, 1) */
        double number;    /* DOUBLE */
    } as;
};

struct wf_resp_frame {
    uint32_t node; /* that is open */
    uint32_t left; /* values that it waits for; UINT32_MAX: until its end is said */
};

/* Invariants: count <= room; depth <= limits.depth_max; texts lie in `window`. */
struct wf_resp_reply {
    struct wf_resp_node *nodes; /* the caller's; COMPLETE: a value, after its attributes */
    uint32_t room;
    uint32_t count; /* noted */
    uint32_t need;  /* ROOM: entries that nodes should have */
    uint32_t size;  /* COMPLETE: bytes used up */
    uint32_t value; /* COMPLETE: index of the value: behind attributes at the top */
    const char *why;
    struct wf_resp_limits limits;
    const char *window;
    uint32_t scanned; /* offset of the value that comes next */
    uint32_t seen;    /* no end of its line is before here */
    uint32_t depth;
    struct wf_resp_frame frames[WF_RESP_DEPTH_MAX];
};

/* As for commands. */
void wf_resp_reply_begin(struct wf_resp_reply *reply, const struct wf_resp_limits *limits);
enum wf_resp_result wf_resp_reply_parse(struct wf_resp_reply *reply, const char *window,
                                        size_t len);

/* --- writing ---
 *
 * Each writes at `out`, where there is room for WF_RESP_HEAD_MAX bytes (WF_RESP_DOUBLE_MAX) besides
 * what it is given, and returns the end. `version` is 2 or 3. */

/* The head of whatever begins with a count or a length, and whole integers. */
char *wf_resp_write_head(char *out, enum wf_resp_kind kind, int64_t value);

char *wf_resp_write_string(char *out, const char *data, size_t size);
char *wf_resp_write_null(char *out, int version);
char *wf_resp_write_null_array(char *out, int version);
char *wf_resp_write_boolean(char *out, bool value, int version);
char *wf_resp_write_double(char *out, double value, int version);

/* A head of a map, a set or a push of so many elements (pairs, for a map): in version 2 an array.
 */
char *wf_resp_write_aggregate(char *out, enum wf_resp_kind kind, size_t count, int version);

/* --- numbers as text --- */

/* A whole text as a number: no blanks, no plus, no leading zeros. */
bool wf_resp_read_integer(const char *text, size_t len, int64_t *value);

/* A whole text as a double: decimal, hexadecimal, "inf", "-inf"; no "nan", no blanks. */
bool wf_resp_read_double(const char *text, size_t len, double *value);

/* At most 20 bytes. Returns how many. */
size_t wf_resp_print_integer(char *out, int64_t value);

/* The shortest text that reads as the same number; at most WF_RESP_DOUBLE_MAX - WF_RESP_HEAD_MAX
 * bytes. Returns how many. */
size_t wf_resp_print_double(char *out, double value);

#endif
