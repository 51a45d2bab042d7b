//! Crawlers.

use headwater_base::{Scope, Timestamp};
use headwater_wire::{Context, EpochTime, Fault};

use super::operation;
use crate::checks::{arn, at_most, page, present, required};
use crate::crawlers::Crawler;
use crate::shapes::{
    BatchGetCrawlersInput, BatchGetCrawlersOutput, CrawlerMetricsInput, CrawlerMetricsOutput,
    CrawlerMetricsShape, CrawlerOutputShape, CrawlerScheduleInput, CrawlerShape, GetCrawlerOutput,
    GetCrawlersOutput, LastCrawlShape, ListCrawlersOutput, NameInput, Nothing, PageInput, ScheduleShape,
};
use crate::{State, tags, token};

/// The most crawlers a page holds.
const PAGE_MAX: usize = 1000;
/// The most crawlers one call asks for by name.
const BATCH_MAX: usize = 100;

operation!(BatchGetCrawlers(BatchGetCrawlersInput) -> BatchGetCrawlersOutput, |cx, _input| arn(cx, "crawler/*"), batch_get);
operation!(CreateCrawler(CrawlerShape) -> Nothing, |cx, input| named(cx, &input.name), create);
operation!(DeleteCrawler(NameInput) -> Nothing, |cx, input| named(cx, &input.name), delete);
operation!(GetCrawler(NameInput) -> GetCrawlerOutput, |cx, input| named(cx, &input.name), get);
operation!(GetCrawlerMetrics(CrawlerMetricsInput) -> CrawlerMetricsOutput, |cx, _input| arn(cx, "crawler/*"), metrics);
operation!(GetCrawlers(PageInput) -> GetCrawlersOutput, |cx, _input| arn(cx, "crawler/*"), list);
operation!(ListCrawlers(PageInput) -> ListCrawlersOutput, |cx, _input| arn(cx, "crawler/*"), list_names);
operation!(StartCrawler(NameInput) -> Nothing, |cx, input| named(cx, &input.name), start);
operation!(StartCrawlerSchedule(CrawlerScheduleInput) -> Nothing, |cx, input| named(cx, &input.crawler_name), start_schedule);
operation!(StopCrawler(NameInput) -> Nothing, |cx, input| named(cx, &input.name), stop);
operation!(StopCrawlerSchedule(CrawlerScheduleInput) -> Nothing, |cx, input| named(cx, &input.crawler_name), stop_schedule);
operation!(UpdateCrawler(CrawlerShape) -> Nothing, |cx, input| named(cx, &input.name), update);
operation!(UpdateCrawlerSchedule(CrawlerScheduleInput) -> Nothing, |cx, input| named(cx, &input.crawler_name), update_schedule);

fn named(cx: &Context, name: &Option<String>) -> headwater_base::Arn {
    arn(cx, format!("crawler/{}", name.as_deref().unwrap_or_default()))
}

async fn shape(state: &State, scope: &Scope, crawler: Crawler) -> Result<CrawlerOutputShape, Fault> {
    let crawl = state.crawl(scope, &crawler.name).await?;
    let last = state.last_crawl(scope, &crawler.name).await?;
    let time = |ms: i64| EpochTime(Timestamp::from_ms(ms));
    let expression = crawler.shape.schedule.clone().filter(|text| !text.is_empty());
    let schedule_state = expression.map(|schedule_expression| ScheduleShape {
        schedule_expression,
        state: if crawler.record.scheduled { "SCHEDULED" } else { "NOT_SCHEDULED" },
    });
    let now = state.ground.seams.clock.now().ms();
    Ok(CrawlerOutputShape {
        schedule_state,
        state: match &crawl {
            None => "READY",
            Some(crawl) if crawl.stopping => "STOPPING",
            Some(_) => "RUNNING",
        },
        crawl_elapsed_time: crawl.map_or(0, |crawl| now - crawl.started_ms),
        creation_time: time(crawler.record.created_ms),
        last_updated: time(crawler.record.updated_ms),
        last_crawl: last.map(|last| LastCrawlShape {
            status: last.end.name(),
            error_message: last.error,
            start_time: time(last.started_ms),
        }),
        version: crawler.record.version,
        crawler: CrawlerShape { name: Some(crawler.name), schedule: None, ..crawler.shape },
    })
}

async fn batch_get(
    state: &State,
    cx: &Context,
    input: BatchGetCrawlersInput,
) -> Result<BatchGetCrawlersOutput, Fault> {
    let names = present(input.crawler_names, "crawlerNames")?;
    at_most(&names, BATCH_MAX, "crawlerNames")?;
    let (mut crawlers, mut crawlers_not_found) = (Vec::new(), Vec::new());
    for name in names {
        match state.crawler(&cx.scope(), &name).await {
            Ok(crawler) => crawlers.push(shape(state, &cx.scope(), crawler).await?),
            Err(fault) if fault.status < 500 => crawlers_not_found.push(name),
            Err(fault) => return Err(fault),
        }
    }
    Ok(BatchGetCrawlersOutput { crawlers, crawlers_not_found })
}

async fn create(state: &State, cx: &Context, input: CrawlerShape) -> Result<Nothing, Fault> {
    let name = required(&input.name, "name")?;
    required(&input.role, "role")?;
    state.create_crawler(&cx.scope(), name, &input).await?;
    tags::set(state, &named(cx, &input.name), input.tags).await?;
    Ok(Nothing {})
}

async fn delete(state: &State, cx: &Context, input: NameInput) -> Result<Nothing, Fault> {
    state.delete_crawler(&cx.scope(), required(&input.name, "name")?).await?;
    tags::clear(state, &named(cx, &input.name)).await?;
    Ok(Nothing {})
}

async fn get(state: &State, cx: &Context, input: NameInput) -> Result<GetCrawlerOutput, Fault> {
    let crawler = state.crawler(&cx.scope(), required(&input.name, "name")?).await?;
    Ok(GetCrawlerOutput { crawler: shape(state, &cx.scope(), crawler).await? })
}

async fn page_of(
    state: &State,
    cx: &Context,
    input: &PageInput,
) -> Result<(Vec<Crawler>, Option<String>), Fault> {
    let limit = page(input.max_results, PAGE_MAX)?;
    let after = token::open_one(input.next_token.as_deref())?;
    let mut found = state.crawlers(&cx.scope(), after.as_deref(), limit + 1).await?;
    let next_token = token::cut(&mut found, limit, |crawler| vec![crawler.name.clone()]);
    Ok((found, next_token))
}

async fn list(state: &State, cx: &Context, input: PageInput) -> Result<GetCrawlersOutput, Fault> {
    let (found, next_token) = page_of(state, cx, &input).await?;
    let mut crawlers = Vec::with_capacity(found.len());
    for crawler in found {
        crawlers.push(shape(state, &cx.scope(), crawler).await?);
    }
    Ok(GetCrawlersOutput { crawlers, next_token })
}

async fn list_names(state: &State, cx: &Context, input: PageInput) -> Result<ListCrawlersOutput, Fault> {
    let (found, next_token) = page_of(state, cx, &input).await?;
    Ok(ListCrawlersOutput {
        crawler_names: found.into_iter().map(|crawler| crawler.name).collect(),
        next_token,
    })
}

async fn metrics(
    state: &State,
    cx: &Context,
    input: CrawlerMetricsInput,
) -> Result<CrawlerMetricsOutput, Fault> {
    let page = PageInput { next_token: input.next_token, max_results: input.max_results };
    let (found, next_token) = page_of(state, cx, &page).await?;
    let wanted = input.crawler_name_list.unwrap_or_default();
    let mut crawler_metrics_list = Vec::new();
    for crawler in found.into_iter().filter(|crawler| wanted.is_empty() || wanted.contains(&crawler.name)) {
        let last = state.last_crawl(&cx.scope(), &crawler.name).await?;
        let seconds = last.as_ref().map_or(0.0, |last| (last.ended_ms - last.started_ms) as f64 / 1000.0);
        let count =
            |pick: fn(&crate::records::crawler::LastCrawlRecord) -> u64| last.as_ref().map_or(0, pick);
        crawler_metrics_list.push(CrawlerMetricsShape {
            crawler_name: crawler.name,
            time_left_seconds: 0.0,
            still_estimating: false,
            last_runtime_seconds: seconds,
            median_runtime_seconds: seconds,
            tables_created: count(|last| last.tables_created),
            tables_updated: count(|last| last.tables_updated),
            tables_deleted: count(|last| last.tables_deleted),
        });
    }
    Ok(CrawlerMetricsOutput { crawler_metrics_list, next_token })
}

async fn start(state: &State, cx: &Context, input: NameInput) -> Result<Nothing, Fault> {
    state.start_crawl(&cx.scope(), required(&input.name, "name")?).await?;
    Ok(Nothing {})
}

async fn stop(state: &State, cx: &Context, input: NameInput) -> Result<Nothing, Fault> {
    state.stop_crawl(&cx.scope(), required(&input.name, "name")?).await?;
    Ok(Nothing {})
}

async fn update(state: &State, cx: &Context, input: CrawlerShape) -> Result<Nothing, Fault> {
    let name = required(&input.name, "name")?.to_owned();
    state.update_crawler(&cx.scope(), &name, input).await?;
    Ok(Nothing {})
}

async fn start_schedule(state: &State, cx: &Context, input: CrawlerScheduleInput) -> Result<Nothing, Fault> {
    let name = required(&input.crawler_name, "crawlerName")?;
    state.schedule_crawler(&cx.scope(), name, None, true).await?;
    Ok(Nothing {})
}

async fn stop_schedule(state: &State, cx: &Context, input: CrawlerScheduleInput) -> Result<Nothing, Fault> {
    let name = required(&input.crawler_name, "crawlerName")?;
    state.schedule_crawler(&cx.scope(), name, None, false).await?;
    Ok(Nothing {})
}

async fn update_schedule(state: &State, cx: &Context, input: CrawlerScheduleInput) -> Result<Nothing, Fault> {
    let name = required(&input.crawler_name, "crawlerName")?;
    state.schedule_crawler(&cx.scope(), name, input.schedule.clone(), true).await?;
    Ok(Nothing {})
}
