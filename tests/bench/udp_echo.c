/* SPDX-License-Identifier: Apache-2.0 */
/* The least that a UDP server can do: recvmmsg, set QR, sendmmsg. What steer-dns costs beyond
 * this is its own; what this costs is the kernel's.
 *
 * usage: udp_echo PORT   on 127.0.0.1, until it is killed
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    BATCH = 32,
    BUFFER_BYTES = 4096,
    STRIDE_BYTES = BUFFER_BYTES + 5 * 64, /* as in dns/server/udp.c */
    FLAGS_AT = 2,
    FLAG_QR = 0x80,
    EXIT_USAGE = 2,
};

static uint8_t bytes[BATCH][STRIDE_BYTES];
static struct sockaddr_in peers[BATCH];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];

static int open_socket(uint16_t port)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int size = 4 << 20, omit = IP_PMTUDISC_OMIT;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&name, sizeof(name)) != 0)
        return -1;
    /* As steer-dns does: forced when allowed. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof(omit));
    return fd;
}

static void prepare(void)
{
    for (size_t i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = BUFFER_BYTES };
        messages[i].msg_hdr = (struct msghdr){ .msg_name = &peers[i],
                                               .msg_namelen = sizeof(peers[i]),
                                               .msg_iov = &pieces[i],
                                               .msg_iovlen = 1 };
    }
}

static void echo(int fd)
{
    for (;;) {
        int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < count; i++) {
            bytes[i][FLAGS_AT] |= FLAG_QR;
            pieces[i].iov_len = messages[i].msg_len;
        }
        for (int sent = 0; sent < count;) {
            int now = sendmmsg(fd, &messages[sent], (unsigned)(count - sent), MSG_DONTWAIT);
            sent += now > 0 ? now : 1;
        }
        for (int i = 0; i < count; i++)
            pieces[i].iov_len = BUFFER_BYTES;
    }
}

int main(int argc, char *argv[])
{
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        fputs("usage: udp_echo PORT\n", stderr);
        return EXIT_USAGE;
    }
    int fd = open_socket((uint16_t)port);
    if (fd < 0) {
        perror("udp_echo");
        return EXIT_FAILURE;
    }
    prepare();
    echo(fd);
    return EXIT_SUCCESS;
}
