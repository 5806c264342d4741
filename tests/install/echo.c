#include <weft.h>

int main(void)
{
    return weft_error_text(0) == 0;
}
