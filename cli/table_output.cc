#include "cli/table_output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace towpath::cli {
namespace {

constexpr std::size_t kGap = 2;  // blanks between columns

// How many characters a person sees: UTF-8 continuation octets do not count.
std::size_t visible_width(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string cut(const std::string& text, std::size_t width) {
  if (visible_width(text) <= width) return text;
  std::string out;
  std::size_t seen = 0;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80 && ++seen == width) break;
    out += c;
  }
  return out + '~';
}

// A peer chooses parts of what we print: nothing of it may steer the terminal.
void disarm(std::string& text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
}

std::size_t total(const std::vector<std::size_t>& widths) {
  const auto shown =
      static_cast<std::size_t>(std::ranges::count_if(widths, [](std::size_t w) { return w != 0; }));
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) +
         (shown == 0 ? 0 : kGap * (shown - 1));
}

}  // namespace

TableOutput::TableOutput(std::FILE* stream, Columns columns, std::size_t terminal_width,
                         std::string when_empty)
    : stream_(stream),
      columns_(std::move(columns)),
      terminal_width_(terminal_width),
      when_empty_(std::move(when_empty)) {}

bool TableOutput::row(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  Cells cells;
  cells.reserve(columns_.size());
  for (const Column& column : columns_) {
    cells.push_back(parsed.is_object() ? column.cell(parsed) : std::string("?"));
    disarm(cells.back());
  }
  if (!widths_.empty()) return print(cells);
  sample_.push_back(std::move(cells));
  return sample_.size() < kSample || flush_sample();
}

void TableOutput::end() {
  if (!widths_.empty()) return;
  if (sample_.empty()) {
    std::fprintf(stream_, "%s\n", when_empty_.c_str());
  } else {
    flush_sample();
  }
}

void TableOutput::choose_widths() {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = visible_width(columns_[i].title);
    for (const Cells& cells : sample_) width = std::max(width, visible_width(cells[i]));
    widths_.push_back(width);
  }
  if (terminal_width_ == 0) return;

  // The widest shrinkable column gives one character at a time, so that they end up about alike.
  const auto over = [&] { return total(widths_) > terminal_width_; };
  while (over()) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (columns_[i].shrink == 0 || widths_[i] <= columns_[i].shrink) continue;
      if (widest == columns_.size() || widths_[i] > widths_[widest]) widest = i;
    }
    if (widest == columns_.size()) break;
    --widths_[widest];
  }
  while (over()) {
    std::size_t lightest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths_[i] == 0 || columns_[i].weight >= 9) continue;
      if (lightest == columns_.size() || columns_[i].weight < columns_[lightest].weight) lightest = i;
    }
    if (lightest == columns_.size()) break;
    widths_[lightest] = 0;
  }
}

bool TableOutput::flush_sample() {
  choose_widths();
  Cells titles;
  for (const Column& column : columns_) titles.emplace_back(column.title);
  bool alive = print(titles);
  for (const Cells& cells : std::exchange(sample_, {})) alive = alive && print(cells);
  return alive;
}

bool TableOutput::print(const Cells& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (widths_[i] == 0) continue;
    if (!line.empty() || i != 0) line.append(line.empty() ? 0 : kGap, ' ');
    const std::string text = terminal_width_ == 0 ? cells[i] : cut(cells[i], widths_[i]);
    const std::size_t width = visible_width(text);
    const std::size_t padding = width < widths_[i] ? widths_[i] - width : 0;
    if (columns_[i].right) line.append(padding, ' ');
    line += text;
    if (!columns_[i].right) line.append(padding, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  line += '\n';
  return std::fwrite(line.data(), 1, line.size(), stream_) == line.size();
}

std::size_t terminal_width(std::FILE* stream) {
  winsize size{};
  const int fd = ::fileno(stream);
  if (::isatty(fd) == 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace towpath::cli
