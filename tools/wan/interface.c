/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/interface.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* The kernel drops silently what does not fit into the device's queue. A burst of a large TCP
     * window has to: dropping is the link's business, which counts it. */
    DEVICE_QUEUE_PACKETS = 20000,
    MESSAGE_MAX_BYTES = 256,
    V4_BYTES = 4,
    V6_BYTES = 16,
};

/* ---- ioctl ---------------------------------------------------------------------------------- */

static struct ifreq request_for(const char *device)
{
    struct ifreq request;
    memset(&request, 0, sizeof(request));
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    return request;
}

static enum err set_up(int socket_fd, const char *device, struct diag *diag)
{
    struct ifreq request = request_for(device);
    if (ioctl(socket_fd, SIOCGIFFLAGS, &request) != 0)
        return diag_errno(diag, errno, "cannot read the flags of %s", device);
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    if (ioctl(socket_fd, SIOCSIFFLAGS, &request) != 0)
        return diag_errno(diag, errno, "cannot switch on %s", device);
    return ERR_OK;
}

static enum err set_mtu(int socket_fd, uint32_t mtu_bytes, struct diag *diag)
{
    struct ifreq request = request_for(INTERFACE_NAME);
    request.ifr_mtu = (int)mtu_bytes;
    if (ioctl(socket_fd, SIOCSIFMTU, &request) != 0)
        return diag_errno(diag, errno, "cannot set the MTU to %u", mtu_bytes);
    return ERR_OK;
}

static enum err open_tun(struct diag *diag, int *out_fd)
{
    struct ifreq request = request_for(INTERFACE_NAME);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return diag_errno(diag, errno,
                          "cannot open /dev/net/tun (as root, once: chmod 666 /dev/net/tun)");
    if (fd < 0)
        return diag_errno(diag, errno,
                          "cannot open /dev/net/tun (as root: modprobe tun; a container needs "
                          "--device /dev/net/tun)");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (ioctl(fd, TUNSETIFF, &request) != 0) {
        enum err err = diag_errno(diag, errno, "cannot make a TUN device");
        close(fd);
        return err;
    }
    *out_fd = fd;
    return ERR_OK;
}

/* ---- netlink -------------------------------------------------------------------------------- */

struct message {
    struct nlmsghdr head;
    uint8_t body[MESSAGE_MAX_BYTES];
};

static void append(struct message *message, const void *bytes, size_t len)
{
    memcpy((uint8_t *)message + message->head.nlmsg_len, bytes, len);
    message->head.nlmsg_len += (uint32_t)NLMSG_ALIGN(len);
}

static void append_attribute(struct message *message, uint16_t type, const void *bytes, size_t len)
{
    struct rtattr attribute = { .rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len) };
    append(message, &attribute, sizeof(attribute));
    append(message, bytes, len);
}

/* Sends a request and waits for its acknowledgement; an errno value, 0 for success. */
static int talk(struct message *message)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        uint8_t rest[sizeof(struct message)];
    } reply;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int failure = 0;
    if (fd < 0)
        return errno;
    if (send(fd, message, message->head.nlmsg_len, 0) < 0 ||
        recv(fd, &reply, sizeof(reply), 0) < (ssize_t)NLMSG_LENGTH(sizeof(reply.error)))
        failure = errno != 0 ? errno : EPROTO;
    else if (reply.head.nlmsg_type == NLMSG_ERROR)
        failure = -reply.error.error;
    close(fd);
    return failure;
}

static struct message message_new(uint16_t type)
{
    struct message message;
    memset(&message, 0, sizeof(message));
    message.head = (struct nlmsghdr){
        .nlmsg_len = NLMSG_HDRLEN,
        .nlmsg_type = type,
        .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    };
    return message;
}

/* By netlink, because the older call wants a root of the whole machine. */
static enum err set_queue(int device, uint32_t packets, struct diag *diag)
{
    struct message message = message_new(RTM_SETLINK);
    struct ifinfomsg body = { .ifi_family = AF_UNSPEC, .ifi_index = device };
    append(&message, &body, sizeof(body));
    append_attribute(&message, IFLA_TXQLEN, &packets, sizeof(packets));
    int failure = talk(&message);
    return failure == 0 ? ERR_OK : diag_errno(diag, failure, "cannot set the queue of the device");
}

static enum err add_address(int device, const struct addr *addr, struct diag *diag)
{
    bool is_v4 = addr->family == ADDR_V4;
    size_t len = is_v4 ? V4_BYTES : V6_BYTES;
    struct message message = message_new(RTM_NEWADDR);
    struct ifaddrmsg body = {
        .ifa_family = is_v4 ? AF_INET : AF_INET6,
        .ifa_prefixlen = (uint8_t)addr_max_bits(addr),
        .ifa_flags = is_v4 ? 0 : IFA_F_NODAD,
        .ifa_index = (uint32_t)device,
    };
    char text[ADDR_TEXT_MAX];
    append(&message, &body, sizeof(body));
    append_attribute(&message, IFA_LOCAL, addr->bytes, len);
    append_attribute(&message, IFA_ADDRESS, addr->bytes, len);
    int failure = talk(&message);
    return failure == 0
               ? ERR_OK
               : diag_errno(diag, failure, "cannot add the address %s", addr_format(addr, text));
}

static enum err add_default_route(int device, enum addr_family family, struct diag *diag)
{
    struct message message = message_new(RTM_NEWROUTE);
    struct rtmsg body = {
        .rtm_family = family == ADDR_V4 ? AF_INET : AF_INET6,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = family == ADDR_V4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    append(&message, &body, sizeof(body));
    append_attribute(&message, RTA_OIF, &device, sizeof(device));
    int failure = talk(&message);
    return failure == 0 ? ERR_OK : diag_errno(diag, failure, "cannot add the default route");
}

/* ---- all of it ------------------------------------------------------------------------------ */

static enum err configure(int socket_fd, const struct matrix_site *site, struct diag *diag)
{
    struct ifreq request = request_for(INTERFACE_NAME);
    bool has_family[2] = { false, false };
    enum err err = set_up(socket_fd, "lo", diag);
    if (err == ERR_OK)
        err = set_mtu(socket_fd, site->mtu_bytes, diag);
    if (err == ERR_OK)
        err = set_up(socket_fd, INTERFACE_NAME, diag);
    if (err == ERR_OK && ioctl(socket_fd, SIOCGIFINDEX, &request) != 0)
        err = diag_errno(diag, errno, "cannot find %s", INTERFACE_NAME);
    if (err == ERR_OK)
        err = set_queue(request.ifr_ifindex, DEVICE_QUEUE_PACKETS, diag);
    for (size_t i = 0; i < site->address_count && err == ERR_OK; i++) {
        err = add_address(request.ifr_ifindex, &site->addresses[i], diag);
        has_family[site->addresses[i].family] = true;
    }
    for (int family = ADDR_V4; family <= ADDR_V6 && err == ERR_OK; family++)
        if (has_family[family])
            err = add_default_route(request.ifr_ifindex, (enum addr_family)family, diag);
    return err;
}

enum err interface_open(const struct matrix_site *site, struct diag *diag, int *out_tun_fd)
{
    int tun_fd = -1;
    int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return diag_errno(diag, errno, "cannot make a socket");
    enum err err = open_tun(diag, &tun_fd);
    if (err == ERR_OK)
        err = configure(socket_fd, site, diag);
    if (err == ERR_OK) {
        *out_tun_fd = tun_fd;
        tun_fd = -1; /* moved to the caller */
    }
    if (tun_fd >= 0)
        close(tun_fd);
    close(socket_fd);
    return err;
}
