/* SPDX-License-Identifier: Apache-2.0 */
/* The path is relative to the folder that make runs in, the root of the project. */
    .section .rodata
    .balign 16
    .global geo_embedded_start
    .global geo_embedded_end
geo_embedded_start:
    .incbin "config/geo/steer-geo.mmdb"
geo_embedded_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
