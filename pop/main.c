/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

int main(void)
{
    puts("steer-pop " STEER_VERSION);
    return 0;
}
