// SPDX-License-Identifier: Apache-2.0
#include "spate/report/report.h"

#include <nlohmann/json.hpp>

#include "spate/base/check.h"
#include "spate/base/files.h"
#include "spate/base/html.h"
#include "spate/report/assets.h"

namespace spate::report {
namespace {

// Inside a script element "</" could end it and "<!--" could open a comment.
std::string safe_for_script(std::string json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

void put(std::string& page, std::string_view mark, std::string_view content) {
  const auto at = page.find(mark);
  SPATE_CHECK(at != std::string::npos, "the template has every mark");
  page.replace(at, mark.size(), content);
}

// `page` with its marks filled in.
Result<std::string> fill(std::string page, const std::string& title, const nlohmann::json& data) {
  if (chart_library().empty()) {
    return Error{ErrorCode::Unavailable,
                 "this build has no chart library in it, so it cannot write report.html: run "
                 "scripts/setup, then build again"};
  }
  put(page, "@TITLE@", html_escaped("Spate: " + title));
  put(page, "@DATA@",
      safe_for_script(data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  // Last: the library is large, and nothing is looked for in it.
  put(page, "@CHARTS@", chart_library());
  return page;
}

// The look of the main report, which the other pages share.
std::string_view shared_style() {
  constexpr std::string_view kOpen = "<style>";
  const std::string_view page = page_template();
  const auto from = page.find(kOpen);
  const auto until = page.find("</style>");
  SPATE_CHECK(from != std::string_view::npos && until != std::string_view::npos,
              "the template has a style");
  return page.substr(from + kOpen.size(), until - from - kOpen.size());
}

// A smaller page has the main report's look and the others' helpers.
std::string with_shared_parts(std::string_view text) {
  std::string page(text);
  put(page, "@STYLE@", shared_style());
  put(page, "@COMMON@", page_script());
  return page;
}

}  // namespace

Result<std::string> render(const nlohmann::json& data) {
  return fill(std::string(page_template()), data.value("scenario", std::string("report")), data);
}

Result<std::string> render_validation(const nlohmann::json& data) {
  return fill(with_shared_parts(validation_template()), "validation", data);
}

Result<std::string> render_capacity(const nlohmann::json& data) {
  const auto scenario = data.value("scenario", std::string());
  return fill(with_shared_parts(capacity_template()), "capacity of " + scenario, data);
}

Result<std::filesystem::path> write_report(const lab::Summary& summary) {
  const auto page = render(report_data(summary));
  if (!page) return page.error();
  const auto file = summary.directory / "report.html";
  if (const Status written = write_file(file, *page); !written) return written.error();
  return file;
}

Result<std::filesystem::path> write_validation(const lab::ValidationOutcome& outcome,
                                               const std::filesystem::path& directory) {
  const auto page = render_validation(validation_data(outcome));
  if (!page) return page.error();
  const auto file = directory / "report.html";
  if (const Status written = write_file(file, *page); !written) return written.error();
  return file;
}

}  // namespace spate::report
