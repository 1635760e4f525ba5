// Keeps a stranger's failed TLS handshake from ending other connections.
//
// OpenSSL keeps errors in a queue per thread, and SSL_get_error() takes what lies in it for the
// reason of the call before. libcaf_openssl 0.17 never empties it, so after one failed handshake
// the next SSL_read() on a healthy connection that only has to wait looks like a fatal error and
// closes it: whoever can reach the port could end every job with a port scan. These functions stand
// in front of OpenSSL's own of the same name (the dynamic linker asks the program first), empty the
// queue, and go on. Any thread.
#include <dlfcn.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace {

template <class Function>
Function* next_function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int SSL_read(SSL* ssl, void* buffer, int size) {
  static auto* const next = next_function<int(SSL*, void*, int)>("SSL_read");
  ERR_clear_error();
  return next(ssl, buffer, size);
}

int SSL_write(SSL* ssl, const void* buffer, int size) {
  static auto* const next = next_function<int(SSL*, const void*, int)>("SSL_write");
  ERR_clear_error();
  return next(ssl, buffer, size);
}

int SSL_accept(SSL* ssl) {
  static auto* const next = next_function<int(SSL*)>("SSL_accept");
  ERR_clear_error();
  return next(ssl);
}

int SSL_connect(SSL* ssl) {
  static auto* const next = next_function<int(SSL*)>("SSL_connect");
  ERR_clear_error();
  return next(ssl);
}

}  // extern "C"
