//! Get- and PutBucketNotificationConfiguration.

use headwater_base::Arn;
use headwater_events::{DestinationKind, EventError, EventName, Notification, NotificationError, Rule};
use headwater_objects::Change;
use s3s::dto::{
    Event, EventBridgeConfiguration, FilterRule, FilterRuleName, GetBucketNotificationConfigurationInput,
    GetBucketNotificationConfigurationOutput, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, PutBucketNotificationConfigurationInput,
    PutBucketNotificationConfigurationOutput, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use s3s::xml::Deserialize;
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::fault::Refusal;

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketNotificationConfigurationInput>,
) -> Answer<GetBucketNotificationConfigurationOutput> {
    let notification = codec.events.notification(&*request.bucket()?).await?;
    let of_kind = |kind| notification.rules().iter().filter(move |rule| rule.kind == kind);
    let queues = of_kind(DestinationKind::Queue).map(|rule| QueueConfiguration {
        events: events_to_xml(rule),
        filter: filter_to_xml(rule),
        id: Some(rule.id.clone()),
        queue_arn: rule.arn.clone(),
    });
    let topics = of_kind(DestinationKind::Topic).map(|rule| TopicConfiguration {
        events: events_to_xml(rule),
        filter: filter_to_xml(rule),
        id: Some(rule.id.clone()),
        topic_arn: rule.arn.clone(),
    });
    let functions = of_kind(DestinationKind::Function).map(|rule| LambdaFunctionConfiguration {
        events: events_to_xml(rule),
        filter: filter_to_xml(rule),
        id: Some(rule.id.clone()),
        lambda_function_arn: rule.arn.clone(),
    });
    Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: notification.event_bridge().then(EventBridgeConfiguration::default),
        lambda_function_configurations: some_if_any(functions),
        queue_configurations: some_if_any(queues),
        topic_configurations: some_if_any(topics),
    }))
}

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketNotificationConfigurationInput>,
) -> Answer<PutBucketNotificationConfigurationOutput> {
    let (bucket, arrival) = (request.bucket()?, request.arrival()?);
    let input = request.input;
    let chance = &codec.objects.seams().chance;
    let (rules, event_bridge) = rules_of(input.notification_configuration, || chance.uuid().to_string())?;
    let notification = Notification::new(rules, event_bridge, &bucket.region)?;
    let skip = input.skip_destination_validation.unwrap_or(false);
    codec.events.set_notification(&bucket, &notification, skip, &arrival.context.request_id).await?;
    Ok(S3Response::new(PutBucketNotificationConfigurationOutput::default()))
}

/// Reads a document as PutBucketNotificationConfiguration does. What is accepted sends no event to
/// two rules.
pub(crate) fn fuzz(document: &[u8]) {
    let mut reader = s3s::xml::Deserializer::new(document);
    let Ok(document) = NotificationConfiguration::deserialize(&mut reader) else { return };
    let Ok((rules, event_bridge)) = rules_of(document, || "id".to_owned()) else { return };
    let Some(region) = rules.first().and_then(|rule| rule.arn.parse::<Arn>().ok()?.region) else { return };
    let Ok(notification) = Notification::new(rules, event_bridge, &region) else { return };
    for rule in notification.rules() {
        let key = format!("{}{}", rule.prefix.as_deref().unwrap_or(""), rule.suffix.as_deref().unwrap_or(""));
        for change in Change::all() {
            let takers = notification.rules().iter().filter(|rule| rule.matches(change, &key)).count();
            assert!(takers <= 1, "two rules take {key:?}");
        }
    }
}

fn some_if_any<T>(all: impl Iterator<Item = T>) -> Option<Vec<T>> {
    let all: Vec<T> = all.collect();
    (!all.is_empty()).then_some(all)
}

/// The rules of a document, those without an id with a new one.
fn rules_of(
    document: NotificationConfiguration,
    new_id: impl Fn() -> String,
) -> Result<(Vec<Rule>, bool), Refusal> {
    let mut rules = Vec::new();
    let mut add = |kind, id: Option<String>, arn: String, events: Vec<Event>, filter| {
        let (prefix, suffix) = filter_of(filter)?;
        let id = id.unwrap_or_else(&new_id);
        rules.push(Rule { id, kind, arn, events: events_of(&events)?, prefix, suffix });
        Ok::<_, Refusal>(())
    };
    for one in document.topic_configurations.unwrap_or_default() {
        add(DestinationKind::Topic, one.id, one.topic_arn, one.events, one.filter)?;
    }
    for one in document.queue_configurations.unwrap_or_default() {
        add(DestinationKind::Queue, one.id, one.queue_arn, one.events, one.filter)?;
    }
    for one in document.lambda_function_configurations.unwrap_or_default() {
        add(DestinationKind::Function, one.id, one.lambda_function_arn, one.events, one.filter)?;
    }
    Ok((rules, document.event_bridge_configuration.is_some()))
}

fn events_of(names: &[Event]) -> Result<Vec<EventName>, Refusal> {
    let unknown = || Refusal::invalid_argument("A specified event is not supported for notifications.");
    names.iter().map(|name| EventName::new(name.as_ref()).ok_or_else(unknown)).collect()
}

/// The prefix and the suffix of a filter.
fn filter_of(
    filter: Option<NotificationConfigurationFilter>,
) -> Result<(Option<String>, Option<String>), Refusal> {
    let rules = filter.and_then(|filter| filter.key).and_then(|key| key.filter_rules).unwrap_or_default();
    let (mut prefix, mut suffix) = (None, None);
    for rule in rules {
        let name = rule.name.map(|name| name.as_str().to_ascii_lowercase()).unwrap_or_default();
        let slot = match name.as_str() {
            FilterRuleName::PREFIX => &mut prefix,
            FilterRuleName::SUFFIX => &mut suffix,
            _ => return Err(Refusal::invalid_argument("filter rule name must be either prefix or suffix")),
        };
        if slot.replace(rule.value.unwrap_or_default()).is_some() {
            return Err(Refusal::invalid_argument(format!(
                "Cannot specify more than one {name} rule in a filter."
            )));
        }
    }
    Ok((prefix, suffix))
}

fn events_to_xml(rule: &Rule) -> Vec<Event> {
    rule.events.iter().map(|name| Event::from(name.as_str().to_owned())).collect()
}

fn filter_to_xml(rule: &Rule) -> Option<NotificationConfigurationFilter> {
    let one = |name, value: &Option<String>| {
        let name = Some(FilterRuleName::from_static(name));
        value.clone().map(|value| FilterRule { name, value: Some(value) })
    };
    let rules: Vec<FilterRule> =
        [one("Prefix", &rule.prefix), one("Suffix", &rule.suffix)].into_iter().flatten().collect();
    let key = S3KeyFilter { filter_rules: Some(rules) };
    let is_filtered = rule.prefix.is_some() || rule.suffix.is_some();
    is_filtered.then_some(NotificationConfigurationFilter { key: Some(key) })
}

impl From<NotificationError> for Refusal {
    fn from(error: NotificationError) -> Self {
        match error {
            NotificationError::TooMany => Self::new(400, "TooManyConfigurations", error.to_string()),
            NotificationError::BadEvents => Self::new(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            ),
            NotificationError::BadId
            | NotificationError::SameId
            | NotificationError::LongFilter
            | NotificationError::BadArn
            | NotificationError::OtherRegion
            | NotificationError::Fifo
            | NotificationError::TooLarge
            | NotificationError::Overlap => Self::invalid_argument(error.to_string()),
        }
    }
}

impl From<EventError> for Refusal {
    fn from(error: EventError) -> Self {
        match error {
            EventError::Unvalidated(_) => Self::invalid_argument(error.to_string()),
            EventError::Object(error) => error.into(),
            EventError::Store(error) => headwater_objects::ObjectError::from(error).into(),
            EventError::Commit(error) => headwater_objects::ObjectError::from(error).into(),
        }
    }
}
