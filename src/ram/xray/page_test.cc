#include "ram/xray/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ram {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(EscapeHtmlTest, LeavesNoMarkup) {
  EXPECT_EQ(EscapeHtml("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
}

TEST(EscapeHtmlTest, ReplacesWhatIsNotText) {
  EXPECT_EQ(EscapeHtml(std::string_view("a\0b\x1b", 4)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("\xff\xc3"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("\xed\xa0\x80"),  // a surrogate
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(EscapeHtml("\xc2\x85"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // C1
}

TEST(EscapeHtmlTest, KeepsOtherScripts) {
  EXPECT_EQ(EscapeHtml("ä 模 \xF0\x9F\x90\x8F"), "ä 模 \xF0\x9F\x90\x8F");
}

Page HostilePage() {
  const std::string evil = "</script><script>alert(1)</script><!--";
  Page page;
  page.title = evil;
  page.subtitle = evil;
  page.sections.push_back({"one", evil, ChartHtml("a", evil)});
  page.data["charts"]["a"] = {{"kind", "plot"}, {"x", evil}};
  return page;
}

TEST(RenderPageTest, HostileTextStaysText) {
  const std::string html = RenderPage(HostilePage());
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<!--")));
}

TEST(RenderPageTest, DataReadsBack) {
  const Page page = HostilePage();
  const std::string html = RenderPage(page);
  const std::string mark = "id=\"data\">";
  const size_t begin = html.find(mark) + mark.size();
  const size_t end = html.find("</script>", begin);
  EXPECT_EQ(OrderedJson::parse(html.substr(begin, end - begin)), page.data);
}

TEST(RenderPageTest, AsksForNothing) {
  const std::string html = RenderPage(HostilePage());
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* request : {"src=\"", "@import", "url("}) {
    EXPECT_THAT(html, Not(HasSubstr(request))) << request;
  }
}

TEST(RenderPageTest, CarriesTheLibraryWithItsLicence) {
  const std::string html = RenderPage(HostilePage());
  EXPECT_THAT(html, HasSubstr("var uPlot="));
  EXPECT_THAT(html, HasSubstr("The above copyright notice and this permission "
                              "notice shall be included"));
}

TEST(BarsHtmlTest, TheLargestIsFull) {
  const std::string html = BarsHtml("c", {{"a", "1", 1}, {"b", "4", 4}});
  EXPECT_THAT(html, HasSubstr("width:25.0%"));
  EXPECT_THAT(html, HasSubstr("width:100.0%"));
}

}  // namespace
}  // namespace ram
