#ifndef STOREFRONT_CHECK_H
#define STOREFRONT_CHECK_H

#include <stdbool.h>

/* storefront --check: measure what is claimed, print a table. `quick`: in small, for the tests.
 * Returns the exit status, 0 when all rows hold. */
int check_main(bool quick);

#endif
