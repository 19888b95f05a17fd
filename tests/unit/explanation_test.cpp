#include "kafka/explanation.h"

#include <gtest/gtest.h>
#include <openssl/x509_vfy.h>

#include <string>
#include <vector>

#include "fakes/made_certificate.h"

namespace bronze::kafka {
namespace {

using Kind = Trouble::Kind;
using Properties = std::vector<std::pair<std::string, std::string>>;

struct Case {
  rd_kafka_resp_err_t code;
  /// As librdkafka says it.
  std::string text;
  Properties properties;
  Kind kind;
  /// Parts of the message with its advice.
  std::vector<std::string> parts;
};

void expect(const Case& expected, const ConnectionNotes& notes = {}) {
  const Trouble trouble = explain(expected.code, expected.text, expected.properties, notes);
  EXPECT_EQ(trouble.kind, expected.kind) << trouble.text();
  EXPECT_EQ(trouble.text().find("(after "), std::string::npos) << trouble.text();
  for (const auto& part : expected.parts) {
    EXPECT_NE(trouble.text().find(part), std::string::npos) << trouble.text();
  }
}

TEST(Explanation, OfALoginNamesWhatToCheck) {
  const auto code = RD_KAFKA_RESP_ERR__AUTHENTICATION;
  const std::string place = "sasl_ssl://b:1/bootstrap: ";
  expect({code,
          place + "SASL authentication error: Authentication failed: Invalid username or "
                  "password (after 3ms in state AUTH_REQ, 1 identical error(s) suppressed)",
          {{"sasl.mechanism", "PLAIN"}},
          Kind::kDenied,
          {"Invalid username or password. Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"}});
  expect({code,
          place + "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism:"
                  " broker's supported mechanisms: OAUTHBEARER (after 3ms in state AUTH)",
          {{"sasl.mechanism", "PLAIN"}},
          Kind::kDenied,
          {"OAUTHBEARER. Set KAFKA_SASL_MECHANISM"}});
  expect({code,
          place + "SASL PLAIN mechanism handshake failed: Broker: Request not valid in "
                  "current SASL state: broker's supported mechanisms:  (after 1ms in state A)",
          {},
          Kind::kDenied,
          {"set KAFKA_SECURITY_PROTOCOL to SSL or PLAINTEXT"}});
  expect({code,
          place + "SASL authentication error: {\"status\":\"invalid_token\"}",
          {{"sasl.mechanism", "OAUTHBEARER"}},
          Kind::kDenied,
          {"KAFKA_SASL_OAUTH_SCOPE"}});
}

struct MissingToken {
  std::string why;
  /// As librdkafka logs it.
  int status;
  Kind kind;
  std::string part;
};

TEST(Explanation, OfAMissingTokenTellsTheServerFromTheSecret) {
  const std::string ours =
      "Check KAFKA_SASL_OAUTH_CLIENT_ID, KAFKA_SASL_OAUTH_CLIENT_SECRET and KAFKA_SASL_OAUTH_SCOPE";
  const std::string theirs =
      "Check KAFKA_SASL_OAUTH_TOKEN_URL, and that the server of the tokens runs";
  const std::string mute = "Server did not provide an error string";
  for (const auto& [why, status, kind, part] : std::vector<MissingToken>{
           {"{\"error\": \"invalid_client\"}", 401, Kind::kDenied,
            "HTTP 401: {\"error\": \"invalid_client\"}. " + ours},
           {mute, 403, Kind::kDenied, "HTTP 403: " + mute + ". " + ours},
           {"Failed to parse JSON response at 0/9", 200, Kind::kDenied, ours},
           {mute, 503, Kind::kUnreachable, "HTTP 503: " + mute + ". " + theirs},
           {"<h1>certificate service (1)</h1>", 500, Kind::kUnreachable, theirs},
           {"slower", 429, Kind::kUnreachable, theirs},
           {"Could not resolve host: t", -1, Kind::kUnreachable, theirs},
           {"Failed to connect to t port 1 after 0 ms", -1, Kind::kUnreachable, theirs},
           {"Operation timed out after 20001 milliseconds with 0 bytes received", -1,
            Kind::kUnreachable, "t/token: Operation timed out after"},
           {"Empty reply from server", -1, Kind::kUnreachable, theirs},
           {"Recv failure: Connection reset by peer", -1, Kind::kUnreachable, theirs},
           {"Failure writing output to destination", -1, Kind::kUnreachable, theirs},
           {"SSL certificate problem: unable to get local issuer certificate", -1, Kind::kDenied,
            "Set KAFKA_SASL_OAUTH_CA"},
       }) {
    ConnectionNotes notes;
    notes.note_missing_token("[thrd:m]: Failed to retrieve OIDC token from \"https://t/token\": " +
                             why + " (" + std::to_string(status) + ")");
    expect({RD_KAFKA_RESP_ERR__AUTHENTICATION,
            "Failed to acquire SASL OAUTHBEARER token: " + why,
            {{"sasl.mechanism", "OAUTHBEARER"},
             {"sasl.oauthbearer.token.endpoint.url", "https://t/token"}},
            kind,
            {"no token from https://t/token: ", part}},
           notes);
  }
}

TEST(ConnectionNotes, TellTheStatusOfWhatWasSaidLast) {
  ConnectionNotes notes;
  EXPECT_EQ(notes.token_status("no"), std::nullopt);
  notes.note_missing_token("Failed to retrieve OIDC token from \"u\": busy (503)");
  EXPECT_EQ(notes.token_status("busy"), 503);
  EXPECT_EQ(notes.token_status("no"), std::nullopt);
  notes.note_missing_token("Failed to retrieve OIDC token from \"u\": busy (50");
  EXPECT_EQ(notes.token_status("busy"), std::nullopt);
}

TEST(Explanation, OfACertificateIsThatOfItsBroker) {
  ConnectionNotes notes;
  const auto note = [&](const std::string& broker, int error, const CertificateSpec& spec) {
    const auto made = make_certificate(spec);
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> in(
        BIO_new_mem_buf(made.certificate.data(), static_cast<int>(made.certificate.size())),
        BIO_free_all);
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr), X509_free);
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate.get(), &der);
    const auto refused = notes.note_certificate(
        broker, error, 0, {reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return refused.has_value();
  };
  EXPECT_TRUE(note("b:1", X509_V_ERR_CERT_HAS_EXPIRED, {.name = "old", .days = -1}));
  EXPECT_TRUE(
      note("bb:1", X509_V_ERR_HOSTNAME_MISMATCH, {.name = "far", .hosts = "DNS:elsewhere"}));
  EXPECT_TRUE(note("c:1", X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, {.name = "strange"}));
  const auto failed = [](const std::string& broker) {
    return "ssl://" + broker +
           "/bootstrap: SSL handshake failed: error:0A000086:SSL routines::"
           "certificate verify failed: broker certificate could not be verified, verify that "
           "ssl.ca.location is correctly configured (after 8ms in state SSL_HANDSHAKE)";
  };
  const auto code = RD_KAFKA_RESP_ERR__SSL;
  expect({code,
          failed("b:1"),
          {},
          Kind::kUntrusted,
          {"the certificate of b:1 (CN=old) expired at 20", "Z. Renew it on the broker"}},
         notes);
  expect({code,
          failed("bb:1"),
          {},
          Kind::kUntrusted,
          {"(CN=far) is not for this host, but for elsewhere", "KAFKA_BOOTSTRAP_SERVERS"}},
         notes);
  expect({code,
          failed("c:1"),
          {},
          Kind::kUntrusted,
          {"signed by CN=strange, a CA that is not trusted here. Set KAFKA_SSL_CA"}},
         notes);
  expect({code, failed("d:1"), {}, Kind::kUntrusted, {"ssl.ca.location is correctly configured"}},
         notes);

  EXPECT_FALSE(note("b:1", X509_V_OK, {}));
  EXPECT_FALSE(notes.certificate_of_broker_in("ssl://b:1/bootstrap").has_value());
}

TEST(Explanation, OfAnAlertIsAboutOurOwnCertificate) {
  const auto code = RD_KAFKA_RESP_ERR__TRANSPORT;
  const std::string alert =
      "ssl://b:1/bootstrap: Receive failed: error:0A000412:SSL routines::sslv3 alert bad "
      "certificate: SSL alert number 42 (after 7ms in state APIVERSION_QUERY)";
  expect({code,
          alert,
          {},
          Kind::kUntrusted,
          {"The broker asks for a certificate: set KAFKA_SSL_CERTIFICATE and KAFKA_SSL_KEY"}});
  expect({code,
          alert,
          {{"ssl.certificate.pem", make_certificate({.name = "us", .days = -1}).certificate}},
          Kind::kUntrusted,
          {"our certificate (CN=us) expired at 20", "Renew KAFKA_SSL_CERTIFICATE"}});
  expect({code,
          alert,
          {{"ssl.certificate.pem", make_certificate({.name = "us"}).certificate}},
          Kind::kUntrusted,
          {"does not accept our certificate (CN=us), which is signed by CN=us"}});
}

TEST(Explanation, OfAHostTellsOursFromWhatBrokersAdvertise) {
  const auto code = RD_KAFKA_RESP_ERR__RESOLVE;
  expect({code,
          "b:1/bootstrap: Failed to resolve 'b:1': Name or service not known (after 0ms in)",
          {},
          Kind::kUnreachable,
          {"Check the host in KAFKA_BOOTSTRAP_SERVERS"}});
  expect({code,
          "b:1/7: Failed to resolve 'b:1': Name or service not known",
          {},
          Kind::kUnreachable,
          {"advertised.listeners"}});
}

TEST(Explanation, OfAConnectionThatIsCutOffIsTheProtocol) {
  const auto code = RD_KAFKA_RESP_ERR__TRANSPORT;
  const std::string cut = "b:1/bootstrap: Disconnected: connection closed by peer: receive 0 ";
  expect({code,
          cut + "after POLLIN (after 6ms in state APIVERSION_QUERY)",
          {{"security.protocol", "PLAINTEXT"}},
          Kind::kUnreachable,
          {"Check that the brokers speak KAFKA_SECURITY_PROTOCOL=PLAINTEXT on this port"}});
  expect({code,
          cut + "after POLLIN (after 0ms in state UP)",
          {{"security.protocol", "SSL"}},
          Kind::kUnreachable,
          {"KAFKA_SECURITY_PROTOCOL=SSL on this port"}});
  const auto restarted = explain(code, cut + "after POLLIN (after 90000ms in state UP)", {}, {});
  EXPECT_EQ(restarted.advice, "");
}

TEST(Explanation, OfAFileNamesItsVariable) {
  const auto code = RD_KAFKA_RESP_ERR__TRANSPORT;
  expect({code,
          "ssl://b:1/1: ssl.key.location failed: error:1C800064:bad decrypt",
          {},
          Kind::kUntrusted,
          {"Check KAFKA_SSL_KEY and KAFKA_SSL_KEY_PASSWORD"}});
  expect({code,
          "ssl://b:1/1: Private key check failed: key values mismatch",
          {},
          Kind::kUntrusted,
          {"KAFKA_SSL_KEY is not the key of KAFKA_SSL_CERTIFICATE"}});
}

TEST(Explanation, OfTheRestIsLibrdkafkas) {
  const auto trouble = explain(RD_KAFKA_RESP_ERR__TRANSPORT,
                               "b:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection "
                               "refused (after 8ms in state CONNECT)",
                               {}, {});
  EXPECT_EQ(trouble.kind, Kind::kUnreachable);
  EXPECT_EQ(trouble.text(),
            "b:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused");
}

TEST(ConnectionNotes, TellAQuietEndOnce) {
  ConnectionNotes notes;
  EXPECT_EQ(notes.take_quiet_end(), "");
  notes.note_quiet_end("[thrd:b:1/bootstrap]: b:1/bootstrap: Disconnected");
  EXPECT_EQ(notes.take_quiet_end(), "b:1/bootstrap: Disconnected");
  EXPECT_EQ(notes.take_quiet_end(), "");
}

}  // namespace
}  // namespace bronze::kafka
