#ifndef WF_TESTS_APPS_KV_MODEL_H
#define WF_TESTS_APPS_KV_MODEL_H

/* What weft-kv has to answer, said as plainly as it can be: a value is an array of elements, and a
 * command goes through it from the front.
 *
 *      row ──(dice)──> call ──> the server ──> what is heard
 *                        └────> row.answer ──> what was expected
 *
 * One model is one client's: it has keys of its own, k0 to k11 behind a prefix, so several clients
 * can be served at the same time and each knows what comes. What is drawn by lot is heard first:
 * the model looks whether it may be so, and follows.
 *
 * Of errors the first word is said. Nothing is ever refused for its size, so a test keeps values
 * small. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_KEYS     12
#define MODEL_WORDS    40  /* of one command */
#define MODEL_ELEMENTS 256 /* of one value */
#define MODEL_STRING   8192

/* An argument or an element; a zero follows it. */
struct word {
    size_t size;
    char data[80];
};

enum model_kind { MODEL_NONE, MODEL_STRINGS, MODEL_LIST, MODEL_HASH, MODEL_SET, MODEL_ZSET };

struct element {
    struct word member, value;
    double score;
};

/* Lists in their order, sorted sets in theirs, hashes and sets in the order of arrival. */
struct value {
    enum model_kind kind;
    int64_t when; /* 0: never */
    size_t size;  /* of the string */
    char string[MODEL_STRING];
    int count;
    struct element elements[MODEL_ELEMENTS];
};

struct model {
    int version; /* of the protocol */
    int64_t now; /* ms */
    struct value values[MODEL_KEYS];
    const char *heard; /* the reply, for commands that draw lots */
    size_t said_size;
    char said[1 << 18]; /* the reply that is expected */
};

struct call {
    const struct row *row;
    int count;
    struct word args[MODEL_WORDS];
};

enum order {
    ORDER_GIVEN,
    ORDER_ANY,       /* elements come in any order … */
    ORDER_ANY_PAIRS, /* … or pairs of them */
};

/* A command: how it is made, and what is expected. In `words` stand, with blanks between them,
 *
 *      K key        M member     V value of a string   N integer        S score
 *      I index      T time, ms   C numkeys and keys    B bound of scores
 *      X+           one to three of X, or of pairs: SM+, MV+
 *      {a|b c|}     one of these
 *
 * and words as they are. */
struct row {
    const char *name, *words;
    void (*answer)(struct model *model, const struct call *call);
    enum order order;
};

/* Each ends with a line of zeros. */
extern const struct row model_strings[], model_keys[], model_lists[], model_hashes[], model_sets[],
    model_zsets[];

/* --- values --- */

/* The key's value; of the kind NONE where there is none, or no more. */
struct value *model_value(struct model *model, const struct word *key);

/* The same; NULL: it is of another kind, and that is said. */
struct value *model_typed(struct model *model, const struct word *key, enum model_kind kind);

/* The same, made if need be. */
struct value *model_obtain(struct model *model, const struct word *key, enum model_kind kind);

void model_clear(struct value *value);

/* What is empty is not there. */
void model_settle(struct value *value);

/* "command key element ...": take those out, and say how many were there. */
void model_answer_removal(struct model *model, const struct call *call, enum model_kind kind);

/* "command key": say how many elements it has. */
void model_answer_count(struct model *model, const struct call *call, enum model_kind kind);

/* Put elements under a key and say how many there are. */
void model_store(struct model *model, const struct word *key, const struct value *result);

/* -1: it is not there. */
int model_find(const struct value *value, const struct word *member);
void model_remove(struct value *value, int at);
struct element *model_insert(struct value *value, int at, const struct word *member);

/* --- words --- */

bool word_is(const struct word *word, const char *text);
bool word_same(const struct word *a, const struct word *b);
int64_t word_number(const struct word *word);

void word_set_number(struct word *word, int64_t number);

/* Whether a whole text is an integer, and which. */
bool text_integer(const char *text, size_t size, int64_t *value);

/* Whether one of the call's words from `from` on is this one. */
bool call_has(const struct call *call, int from, const char *text);

/* Indices from the end, cut to what is there. False: nothing is. */
bool model_cut(int64_t *first, int64_t *last, int64_t count);

/* --- replies --- */

void say_head(struct model *model, char kind, int64_t count);
void say_integer(struct model *model, int64_t value);
void say_text(struct model *model, const char *text, size_t size);
void say_word(struct model *model, const struct word *word);
void say_status(struct model *model, const char *text);
void say_error(struct model *model, const char *text);
void say_null(struct model *model);
void say_null_array(struct model *model);
void say_double(struct model *model, double value);
void say_set(struct model *model, int64_t count);
void say_map(struct model *model, int64_t count);

/* Take the next string that was heard. False: what comes is none. */
bool hear_word(struct model *model, struct word *word);

#endif
