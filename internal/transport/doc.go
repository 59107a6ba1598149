// Package transport is how the programs reach each other: gRPC clients and servers with the options that all of them
// share, their certificates, and the frame, a message that is passed on without being decoded.
//
// # Invariants
//
//   - A peer that is gone is noticed within 15 seconds on both sides, without any call in progress.
//   - Shutdown returns within its grace and a little more, whatever the peers do.
//   - No message larger than MaxMessageSize is sent or received.
//   - What a stream may hold of a sender that is faster than its receiver is bounded by its flow control window.
//   - Certificates are replaced all or none: after a failed Reload the old ones are still in use.
//   - A client verifies a server's certificate against the host of the address that it dials.
//
// # Layout
//
//	tls.go          TLS: the files that an operator names, and the rules for which of them go together
//	credentials.go  Credentials: what was read from them, replaceable while in use
//	server.go       Server: a gRPC server with the shared options, health and reflection
//	dial.go         Dial: a client connection to the first reachable one of several addresses
//	frame.go        Frame and Codec: messages that travel undecoded
//
// # Use
//
//	creds, err := transport.TLS{CA: "ca.pem", Cert: "crt.pem", Key: "pk.pem"}.Server()
//	srv := transport.NewServer(creds)
//	logscribev1.RegisterScribeServer(srv, scribe)
//	go srv.Serve(listener)
//	...
//	srv.Shutdown(time.Second)
//
//	creds, err := transport.TLS{CA: "ca.pem"}.Client()
//	conn, err := transport.Dial([]string{"a.example:8000", "b.example:8000"}, creds)
//
// # Limitations
//
// The environment's HTTPS_PROXY and NO_PROXY apply to clients, as in other gRPC programs. Certificates are not checked
// for revocation: to withdraw one, replace the CA and reload.
package transport
