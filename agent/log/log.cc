#include "agent/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>

#include "agent/json/json_writer.h"

namespace towpath::agent {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

// %v is what format_event() made; in JSON it begins after an open object.
constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ level=%l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

bool is_plain(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '='; });
}

void append_text_value(std::string& out, const std::string& text) {
  if (is_plain(text)) {
    out += text;
  } else {
    JsonWriter(out).value(text);  // quoted, on one line
  }
}

std::string to_text(const LogField& field) {
  if (const auto* number = std::get_if<std::int64_t>(&field.value)) return std::to_string(*number);
  if (const auto* yes = std::get_if<bool>(&field.value)) return *yes ? "true" : "false";
  return std::get<std::string>(field.value);
}

}  // namespace

std::string format_event(LogFormat format, std::string_view event, LogFields fields) {
  std::string out;
  if (format == LogFormat::kText) {
    out += "msg=";
    JsonWriter(out).value(event);
    for (const LogField& field : fields) {
      out += ' ';
      out += field.key;
      out += '=';
      append_text_value(out, to_text(field));
    }
    return out;
  }
  JsonWriter json(out);
  json.field("msg", event);
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { json.field(field.key, value); }, field.value);
  }
  return out;
}

Log::Log(const LogConfig& config)
    : logger_(
          std::make_shared<spdlog::logger>("towpathd", std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  logger_->set_error_handler([](const std::string&) {});  // a closed standard error is no reason to stop
  configure(config);
}

Log::~Log() = default;

void Log::configure(const LogConfig& config) {
  format_ = config.format;
  logger_->set_level(to_spdlog(config.level));
  logger_->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format_ == LogFormat::kText ? kTextPattern : kJsonPattern, spdlog::pattern_time_type::utc));
  logger_->flush_on(spdlog::level::debug);
}

void Log::write(LogLevel level, std::string_view event, LogFields fields) {
  const auto spdlog_level = to_spdlog(level);
  if (!logger_->should_log(spdlog_level)) return;
  const std::string text = format_event(format_, event, fields);
  logger_->log(spdlog_level, spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace towpath::agent
