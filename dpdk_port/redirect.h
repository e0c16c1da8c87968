/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * redirect.h - the names that redirect.syms gives to the system calls of DPDK's archives
 *
 * Called by those archives only; declared here so that the compiler sees them as what they are.
 */
#ifndef S7_REDIRECT_H
#define S7_REDIRECT_H

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

int s7p_socket(int domain, int type, int protocol);
int s7p_accept(int fd, struct sockaddr *addr, socklen_t *len);
int s7p_dup(int fd);
int s7p_epoll_create(int size);
int s7p_epoll_create1(int flags);
int s7p_eventfd(unsigned int value, int flags);
int s7p_memfd_create(const char *name, unsigned int flags);
int s7p_timerfd_create(int clock, int flags);
int s7p_pipe(int fds[2]);
int s7p_openat(int dir, const char *path, int flags, ...);
int s7p_open(const char *path, int flags, ...);
int s7p_close(int fd);
int s7p_fcntl(int fd, int cmd, ...);
void *s7p_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int s7p_ioctl(int fd, unsigned long request, ...);
int s7p_setrlimit(int resource, const void *limit);
void s7p_openlog(const char *ident, int option, int facility);
void s7p_syslog(int priority, int flag, const char *format, ...);
int s7p_fprintf(FILE *stream, int flag, const char *format, ...);
int s7p_printf(int flag, const char *format, ...);
int s7p_puts(const char *line);
int s7p_putchar(int c);
void s7p_perror(const char *text);
int s7p_access(const char *path, int mode);
void *s7p_dlopen(const char *file, int mode);
int s7p_mkdir(const char *path, unsigned int mode);
int s7p_nanosleep(const struct timespec *want, struct timespec *left);
int s7p_bind(int fd, const struct sockaddr *addr, socklen_t len);
int s7p_connect(int fd, const struct sockaddr *addr, socklen_t len);
int s7p_listen(int fd, int backlog);
int s7p_getsockopt(int fd, int level, int name, void *val, socklen_t *len);
int s7p_setsockopt(int fd, int level, int name, const void *val, socklen_t len);
int s7p_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);
int s7p_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout);
int s7p_poll(struct pollfd *fds, nfds_t count, int timeout);
int s7p_poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
ssize_t s7p_read(int fd, void *buf, size_t len);
ssize_t s7p_read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t s7p_write(int fd, const void *buf, size_t len);
ssize_t s7p_readv(int fd, const struct iovec *iov, int cnt);
ssize_t s7p_writev(int fd, const struct iovec *iov, int cnt);
ssize_t s7p_pread(int fd, void *buf, size_t len, off_t at);
ssize_t s7p_pwrite(int fd, const void *buf, size_t len, off_t at);
ssize_t s7p_recv(int fd, void *buf, size_t len, int flags);
ssize_t s7p_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
		     socklen_t *alen);
ssize_t s7p_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t s7p_send(int fd, const void *buf, size_t len, int flags);
ssize_t s7p_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
		   socklen_t alen);
ssize_t s7p_sendmsg(int fd, const struct msghdr *msg, int flags);

#endif
