#pragma once

#include <string>
#include <string_view>

#include "net/http.h"

namespace millrace {

/// Append a whole request. Content-Length is written when there is a body or the method usually has one;
/// `content_type` with a body only, and not when `headers` have it. Line breaks within values become spaces.
void append_request(std::string& out, std::string_view method, std::string_view target, std::string_view host,
                    std::string_view content_type, const Headers& headers, std::string_view body);

/// What the answer to one request must look like, beside its content.
struct AnswerForm {
  bool keep_alive = true;
  bool http_1_0 = false;
  bool head_only = false;  ///< the request was HEAD
};

/// Append head and body of a whole answer. Line breaks within header values become spaces.
void append_response(std::string& out, const HttpResponse& response, AnswerForm form);

/// Append the head of an answer whose length is not known yet: chunked, or until the connection closes in
/// HTTP/1.0.
void append_stream_head(std::string& out, const HttpResponse& head, AnswerForm form);

/// Append `bytes` (not empty) as one chunk.
void append_chunk(std::string& out, std::string_view bytes);

inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace millrace
