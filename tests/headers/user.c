/* A user's file in strict C11: everything that a program writes down must compile without a
 * warning, the macros with their designated options above all. Compiled, never run. */

#include <weft.h>

int main(void)
{
    return weft_error_text(0) == NULL;
}
