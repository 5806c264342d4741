#ifndef STOREFRONT_SAY_H
#define STOREFRONT_SAY_H

/* Lines for whoever sits at the terminal. A terminal may be held, a pipe unread: what standard
 * output does not take at once is left out, for no reader may stop the shop. Any thread. */

#include <stddef.h>
#include <weft/define.h>

/* A line in the making. */
struct line {
    char text[512];
    size_t size;
};

void WEFT_PRINTF(2, 3) line_add(struct line *line, const char *format, ...);
void line_say(struct line *line);

/* A line at once. */
void WEFT_PRINTF(1, 2) say(const char *format, ...);

#endif
