#ifndef KV_TEXT_H
#define KV_TEXT_H

/* Strings: an integer, a text beside its key, or, beyond STRING_SMALL_MAX bytes, in a block of its
 * own, which is also where one goes that grows by appending.
 *
 * A whole text that reads as an int64_t is kept as that ("int"). One that has been changed in part
 * is bytes and stays so ("raw"), until it is set anew.
 *
 * Functions that take a pointer to a pointer may put another entry there, with the same key and
 * expiry; then the old one is gone. Whoever owns the keyspace calls them by keyspace.h. */

#include "entry.h"

#define STRING_SMALL_MAX  1024
#define STRING_EMBSTR_MAX 44 /* what is longer is called "raw" */
#define STRING_SPACE      20 /* bytes of an integer's text */

/* A detached entry, with room for a time of expiry or without. 0, or -ENOMEM. */
int string_create(struct entry **entry, bool expires, weft_slice key, weft_slice value);

/* The text; an integer's is written into `space`. */
weft_slice string_get(const struct entry *entry, char space[STRING_SPACE]);
size_t string_size(const struct entry *entry);

/* Whether the text is an integer, and which. */
bool string_integer(const struct entry *entry, int64_t *value);

/* Replace the whole value where it stands. False: it does not fit, and nothing has changed. */
bool string_put(struct entry *entry, weft_slice value);

/* Replace the value, keeping key and expiry. 0, or -ENOMEM. */
int string_set(struct entry **entry, weft_slice value);
int string_set_integer(struct entry **entry, int64_t value);

/* Make it at least `size` bytes long, zeros at its end, and give its bytes to be written: valid
 * until the next call. 0, or -ENOMEM. Growing costs a copy now and then, of what doubles. */
int string_open(struct entry **entry, size_t size, char **data);

int string_append(struct entry **entry, weft_slice more);

const char *string_encoding(const struct entry *entry);

int string_copy(const struct entry *entry, weft_slice key, struct entry **copy);

#endif
