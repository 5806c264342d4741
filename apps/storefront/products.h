#ifndef STOREFRONT_PRODUCTS_H
#define STOREFRONT_PRODUCTS_H

/* What the shop sells: products.tsv, built into the program and read once at the start. */

#include <stddef.h>
#include <weft/arena.h>

#define PRODUCT_REVIEWS_MAX 5

struct review {
    int stars; /* 1 to 5 */
    const char *text;
};

struct product {
    int id;
    const char *name;
    const char *category;
    const char *description;
    int cents;
    int stock; /* pieces */
    int review_count;
    struct review reviews[PRODUCT_REVIEWS_MAX];
};

struct products {
    weft_arena *arena;
    struct product *list; /* the product with id n is list[n - 1] */
    int count;
};

/* Read `text`, a line for each product: id, name, category, description, cents, stock and then up
 * to five reviews "STARS TEXT", all between tabs. Returns 0, -ENOMEM, or -EINVAL for a text that is
 * not like that. */
int products_load(struct products *products, const char *text);
void products_free(struct products *products);

/* The number that `text` stands for, 0 to 999,999,999; negative when it is none. */
int read_number(const char *text);

/* The product whose id is `text`; NULL when there is none. */
const struct product *products_find(const struct products *products, const char *text);

extern const char products_text[]; /* products.tsv */

#endif
