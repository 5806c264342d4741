#ifndef WF_REDIS_CALL_H
#define WF_REDIS_CALL_H

/* What calls, transactions and scans share: an exchange that is ready to be performed. */

#include "redis/client.h"

#define WF_REDIS_WORD_SIZE 32

/* A command's name, for a detail: at most 31 bytes of it, those that can be printed. */
const char *wf_redis_word(char word[WF_REDIS_WORD_SIZE], const weft_slice *name);

/* Why a list of arguments is no command, or NULL. */
const char *wf_redis_check(const weft_slice *args, size_t count);

/* Why a command may not go over a connection of the client's, or NULL. */
const char *wf_redis_refusal(const weft_slice *args, size_t count);

#endif
