#include "observe/http_pages.h"

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

namespace bronze::observe {
namespace {

constexpr const char* k_json = "application/json";

std::string error_body(std::string_view error) { return nlohmann::json{{"error", error}}.dump(); }

std::string_view phrase(int status) {
  switch (status) {
    case 200:
      return "ok";
    case 404:
      return "not found";
    case 405:
      return "method not allowed";
    case 408:
      return "request timeout";
    case 414:
      return "uri too long";
    case 431:
      return "request header fields too large";
    case 500:
      return "internal error";
    case 503:
      return "service unavailable";
    default:
      return "bad request";
  }
}

struct Request {
  std::string_view method;
  /// Without the query.
  std::string_view path;
};

bool is_known_method(std::string_view method) {
  constexpr std::array<std::string_view, 9> k_methods = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  return std::find(k_methods.begin(), k_methods.end(), method) != k_methods.end();
}

/// Of `/path?query` and of `http://host/path?query`, which servers must take, too (RFC 9112 3.2.2).
std::string_view path_of(std::string_view target) {
  constexpr std::string_view k_scheme = "http://";
  const auto same_letter = [](char a, char b) { return a == b || a - 'A' == b - 'a'; };
  if (std::ranges::equal(target.substr(0, k_scheme.size()), k_scheme, same_letter)) {
    target.remove_prefix(k_scheme.size());
    target.remove_prefix(std::min(target.find_first_of("/?#"), target.size()));
    if (!target.starts_with('/')) return "/";
  }
  return target.substr(0, target.find_first_of("?#"));
}

/// nullopt = malformed.
std::optional<Request> parse(std::string_view line) {
  const bool printable = std::all_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= ' ' && byte != 0x7F;
  });
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (!printable || first == std::string_view::npos || first == last) return std::nullopt;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const Request request{.method = line.substr(0, first), .path = path_of(target)};
  const bool known = version == "HTTP/1.1" || version == "HTTP/1.0";
  if (!known || !is_known_method(request.method) || target.empty() ||
      target.find(' ') != std::string_view::npos) {
    return std::nullopt;
  }
  return request;
}

Page refusal(int status) {
  return {.status = status, .content_type = k_json, .body = error_body(phrase(status))};
}

Page page_of(const Pages& pages, EventLog& log, const Request& request) {
  const auto found = pages.find(request.path);
  if (found == pages.end()) return refusal(404);
  if (request.method != "GET" && request.method != "HEAD") {
    Page answer = refusal(405);
    answer.more_headers = "Allow: GET, HEAD\r\n";
    return answer;
  }
  try {
    Page page = found->second();
    page.more_headers += "Cache-Control: no-store\r\n";
    return page;
  } catch (const std::exception& e) {
    log.tell(LogEvent::kHttpFailed, {.operation = "answer", .reason = e.what()},
             "HTTP: {} failed: {}", request.path, e.what());
    return refusal(500);
  }
}

std::string head_of(const Page& page) {
  return "HTTP/1.1 " + std::to_string(page.status) + " " + std::string(phrase(page.status)) +
         "\r\nConnection: close\r\nContent-Type: " + page.content_type +
         "\r\nContent-Length: " + std::to_string(page.body.size()) +
         "\r\nX-Content-Type-Options: nosniff\r\n" + page.more_headers + "\r\n";
}

std::string answer_to_request(const Pages& pages, EventLog& log, std::string_view line) {
  const auto request = parse(line);
  const Page page = request ? page_of(pages, log, *request) : refusal(400);
  const bool without_body = request && request->method == "HEAD";
  return without_body ? head_of(page) : head_of(page) + page.body;
}

int status_of_refused(Head head) {
  switch (head) {
    case Head::kUriTooLarge:
      return 414;
    case Head::kHeadersTooLarge:
      return 431;
    case Head::kTooSlow:
      return 408;
    case Head::kComplete:
      break;
  }
  return 400;
}

}  // namespace

std::string answer_to(const Pages& pages, EventLog& log, Head head, std::string_view line) {
  if (head == Head::kComplete) return answer_to_request(pages, log, line);
  const Page page = refusal(status_of_refused(head));
  return head_of(page) + page.body;
}

}  // namespace bronze::observe
