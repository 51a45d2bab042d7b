//! Get-, PutBucketLifecycleConfiguration and DeleteBucketLifecycle.

use headwater_base::{Chance, Timestamp};
use headwater_objects::{
    Expiration, Filter, FilterForm, Lifecycle, NoncurrentExpiration, NoncurrentTransition, Rule, RuleError,
    RuleErrorKind, StorageClass, Transition, TransitionMinimum, When,
};
use s3s::dto::{
    self, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput, TimestampFormat,
};
use s3s::{S3Request, S3Response};

use crate::codec::{Answer, Circumstances, Codec};
use crate::convert;
use crate::fault::Refusal;

pub(crate) async fn put(
    codec: &Codec,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> Answer<PutBucketLifecycleConfigurationOutput> {
    let bucket = request.bucket()?;
    let input = request.input;
    let minimum = minimum(input.transition_default_minimum_object_size.as_ref())?;
    let rules = input.lifecycle_configuration.map(|configuration| configuration.rules).unwrap_or_default();
    let lifecycle = lifecycle(rules, minimum, &codec.objects.seams().chance)?;
    codec.objects.set_lifecycle(&bucket, Some(&lifecycle)).await?;
    Ok(S3Response::new(PutBucketLifecycleConfigurationOutput {
        transition_default_minimum_object_size: Some(minimum_name(minimum)),
    }))
}

pub(crate) async fn get(
    codec: &Codec,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> Answer<GetBucketLifecycleConfigurationOutput> {
    let lifecycle = codec.objects.lifecycle(&*request.bucket()?).await?.ok_or_else(|| {
        Refusal::new(404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
    })?;
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(lifecycle.rules().iter().map(shown).collect()),
        transition_default_minimum_object_size: Some(minimum_name(lifecycle.minimum())),
    }))
}

pub(crate) async fn delete(
    codec: &Codec,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> Answer<DeleteBucketLifecycleOutput> {
    codec.objects.set_lifecycle(&*request.bucket()?, None).await?;
    Ok(S3Response::with_status(DeleteBucketLifecycleOutput::default(), http::StatusCode::NO_CONTENT))
}

/// Reads foreign bytes as a lifecycle; one that is taken is given back as what was taken. For fuzzing.
pub(crate) fn fuzz(bytes: &[u8]) {
    use s3s::xml::{Deserialize, Deserializer};
    let Ok(written) = dto::BucketLifecycleConfiguration::deserialize(&mut Deserializer::new(bytes)) else {
        return;
    };
    let chance = Chance::seeded(1);
    if let Ok(taken) = lifecycle(written.rules, TransitionMinimum::default(), &chance) {
        let again = taken.rules().iter().map(shown).collect();
        let again =
            lifecycle(again, TransitionMinimum::default(), &chance).map_err(|refusal| refusal.message);
        assert_eq!(again.as_ref().map(Lifecycle::rules), Ok(taken.rules()));
    }
}

/// The lifecycle a client wrote down.
fn lifecycle(
    rules: Vec<dto::LifecycleRule>,
    minimum: TransitionMinimum,
    chance: &Chance,
) -> Result<Lifecycle, Refusal> {
    let rules = rules.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
    Lifecycle::new(rules, minimum, chance).map_err(refusal)
}

fn refusal(error: RuleError) -> Refusal {
    match error.kind {
        RuleErrorKind::Malformed => Refusal::new(400, "MalformedXML", error.message),
        RuleErrorKind::Argument => Refusal::invalid_argument(error.message),
        RuleErrorKind::Request => Refusal::invalid_request(error.message),
    }
}

fn malformed() -> Refusal {
    Refusal::malformed_xml()
}

fn minimum(asked: Option<&dto::TransitionDefaultMinimumObjectSize>) -> Result<TransitionMinimum, Refusal> {
    match asked {
        None => Ok(TransitionMinimum::default()),
        Some(name) => TransitionMinimum::named(name.as_str()).ok_or_else(|| {
            Refusal::invalid_request(
                "The value of x-amz-transition-default-minimum-object-size must be all_storage_classes_128K or \
                 varies_by_storage_class",
            )
        }),
    }
}

fn minimum_name(minimum: TransitionMinimum) -> dto::TransitionDefaultMinimumObjectSize {
    dto::TransitionDefaultMinimumObjectSize::from_static(minimum.name())
}

fn rule(rule: dto::LifecycleRule) -> Result<Rule, Refusal> {
    let enabled = match rule.status.as_str() {
        "Enabled" => true,
        "Disabled" => false,
        _ => return Err(malformed()),
    };
    Ok(Rule {
        id: rule.id.unwrap_or_default(),
        enabled,
        filter: filter(rule.filter, rule.prefix)?,
        expiration: rule.expiration.map(expiration).transpose()?,
        transitions: rule
            .transitions
            .unwrap_or_default()
            .into_iter()
            .map(transition)
            .collect::<Result<_, _>>()?,
        noncurrent_expiration: rule.noncurrent_version_expiration.map(noncurrent_expiration).transpose()?,
        noncurrent_transitions: rule
            .noncurrent_version_transitions
            .unwrap_or_default()
            .into_iter()
            .map(noncurrent_transition)
            .collect::<Result<_, _>>()?,
        abort_uploads_days: rule
            .abort_incomplete_multipart_upload
            .map(|abort| abort.days_after_initiation.ok_or_else(malformed))
            .transpose()?,
    })
}

fn filter(filter: Option<dto::LifecycleRuleFilter>, prefix: Option<String>) -> Result<Filter, Refusal> {
    let filter = match (filter, prefix) {
        (None, Some(prefix)) => {
            return Ok(Filter { form: FilterForm::Prefix, prefix: Some(prefix), ..Filter::default() });
        }
        (Some(filter), None) => filter,
        _ => return Err(malformed()),
    };
    let pair = |tag: dto::Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    let Some(and) = filter.and else {
        return Ok(Filter {
            form: FilterForm::Single,
            prefix: filter.prefix,
            tags: filter.tag.map(pair).into_iter().collect(),
            larger_than: filter.object_size_greater_than,
            smaller_than: filter.object_size_less_than,
        });
    };
    let beside = filter.prefix.is_some()
        || filter.tag.is_some()
        || filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some();
    if beside {
        return Err(malformed());
    }
    Ok(Filter {
        form: FilterForm::And,
        prefix: and.prefix,
        tags: and.tags.unwrap_or_default().into_iter().map(pair).collect(),
        larger_than: and.object_size_greater_than,
        smaller_than: and.object_size_less_than,
    })
}

fn when(days: Option<i32>, date: Option<&dto::Timestamp>) -> Result<When, Refusal> {
    match (days, date) {
        (Some(days), None) => Ok(When::Days(days)),
        (None, Some(date)) => Ok(When::Date(moment(date)?)),
        _ => Err(malformed()),
    }
}

/// The codec's moments, which only tell what they are in writing.
fn moment(date: &dto::Timestamp) -> Result<Timestamp, Refusal> {
    let mut text = Vec::new();
    date.format(TimestampFormat::EpochSeconds, &mut text).map_err(|_| malformed())?;
    let seconds = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<f64>().ok());
    let moment = seconds.map(Timestamp::from_seconds).ok_or_else(malformed)?;
    // S3 is younger than the epoch.
    if moment < Timestamp::EPOCH { Err(malformed()) } else { Ok(moment) }
}

fn expiration(said: dto::LifecycleExpiration) -> Result<Expiration, Refusal> {
    match (said.expired_object_delete_marker, said.days, &said.date) {
        (Some(true), None, None) => Ok(Expiration::ExpiredMarkers),
        (Some(false), None, None) => Ok(Expiration::Nothing),
        (None, days, date) => Ok(Expiration::At(when(days, date.as_ref())?)),
        _ => Err(malformed()),
    }
}

fn class(said: Option<dto::TransitionStorageClass>) -> Result<StorageClass, Refusal> {
    said.and_then(|class| StorageClass::named(class.as_str())).ok_or_else(malformed)
}

fn transition(said: dto::Transition) -> Result<Transition, Refusal> {
    Ok(Transition { when: when(said.days, said.date.as_ref())?, class: class(said.storage_class)? })
}

fn noncurrent_expiration(said: dto::NoncurrentVersionExpiration) -> Result<NoncurrentExpiration, Refusal> {
    let days = said.noncurrent_days.ok_or_else(malformed)?;
    Ok(NoncurrentExpiration { days, newer_kept: said.newer_noncurrent_versions })
}

fn noncurrent_transition(said: dto::NoncurrentVersionTransition) -> Result<NoncurrentTransition, Refusal> {
    let days = said.noncurrent_days.ok_or_else(malformed)?;
    let class = class(said.storage_class)?;
    Ok(NoncurrentTransition { days, newer_kept: said.newer_noncurrent_versions, class })
}

/// A rule as it is given back.
fn shown(rule: &Rule) -> dto::LifecycleRule {
    let status = if rule.enabled { "Enabled" } else { "Disabled" };
    let transitions: Vec<dto::Transition> = rule.transitions.iter().map(shown_transition).collect();
    let noncurrent: Vec<dto::NoncurrentVersionTransition> = rule
        .noncurrent_transitions
        .iter()
        .map(|step| dto::NoncurrentVersionTransition {
            noncurrent_days: Some(step.days),
            newer_noncurrent_versions: step.newer_kept,
            storage_class: Some(class_name(step.class)),
        })
        .collect();
    dto::LifecycleRule {
        abort_incomplete_multipart_upload: rule
            .abort_uploads_days
            .map(|days| dto::AbortIncompleteMultipartUpload { days_after_initiation: Some(days) }),
        expiration: rule.expiration.map(shown_expiration),
        filter: (rule.filter.form != FilterForm::Prefix).then(|| shown_filter(&rule.filter)),
        id: Some(rule.id.clone()),
        noncurrent_version_expiration: rule.noncurrent_expiration.map(|end| {
            dto::NoncurrentVersionExpiration {
                noncurrent_days: Some(end.days),
                newer_noncurrent_versions: end.newer_kept,
            }
        }),
        noncurrent_version_transitions: (!noncurrent.is_empty()).then_some(noncurrent),
        prefix: rule.filter.prefix.clone().filter(|_| rule.filter.form == FilterForm::Prefix),
        status: dto::ExpirationStatus::from_static(status),
        transitions: (!transitions.is_empty()).then_some(transitions),
    }
}

fn shown_filter(filter: &Filter) -> dto::LifecycleRuleFilter {
    let tag =
        |(key, value): &(String, String)| dto::Tag { key: Some(key.clone()), value: Some(value.clone()) };
    if filter.form == FilterForm::And {
        let tags: Vec<dto::Tag> = filter.tags.iter().map(tag).collect();
        let and = dto::LifecycleRuleAndOperator {
            object_size_greater_than: filter.larger_than,
            object_size_less_than: filter.smaller_than,
            prefix: filter.prefix.clone(),
            tags: (!tags.is_empty()).then_some(tags),
        };
        return dto::LifecycleRuleFilter { and: Some(and), ..Default::default() };
    }
    dto::LifecycleRuleFilter {
        and: None,
        object_size_greater_than: filter.larger_than,
        object_size_less_than: filter.smaller_than,
        prefix: filter.prefix.clone(),
        tag: filter.tags.first().map(tag),
    }
}

fn shown_expiration(expiration: Expiration) -> dto::LifecycleExpiration {
    let (days, date, marker) = match expiration {
        Expiration::At(When::Days(days)) => (Some(days), None, None),
        Expiration::At(When::Date(date)) => (None, Some(convert::time(date)), None),
        Expiration::ExpiredMarkers => (None, None, Some(true)),
        Expiration::Nothing => (None, None, Some(false)),
    };
    dto::LifecycleExpiration { date, days, expired_object_delete_marker: marker }
}

fn shown_transition(transition: &Transition) -> dto::Transition {
    let (days, date) = match transition.when {
        When::Days(days) => (Some(days), None),
        When::Date(date) => (None, Some(convert::time(date))),
    };
    dto::Transition { date, days, storage_class: Some(class_name(transition.class)) }
}

fn class_name(class: StorageClass) -> dto::TransitionStorageClass {
    dto::TransitionStorageClass::from_static(class.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_given_back_as_they_were_written() {
        for rule in [
            "<Filter/><Expiration><Days>1</Days></Expiration>",
            "<Prefix/><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>",
            "<Filter><Prefix>a</Prefix></Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
            "<Filter><Tag><Key>k</Key><Value/></Tag></Filter><Transition><Days>0</Days><StorageClass>GLACIER</StorageClass></Transition>",
            "<Filter><And><Prefix>a</Prefix><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>",
        ] {
            let xml = format!(
                "<LifecycleConfiguration><Rule><ID>r</ID>{rule}<Status>Enabled</Status></Rule></LifecycleConfiguration>"
            );
            fuzz(xml.as_bytes());
            use s3s::xml::{Deserialize, Deserializer};
            let read = dto::BucketLifecycleConfiguration::deserialize(&mut Deserializer::new(xml.as_bytes()));
            let rules = read.unwrap().rules;
            let taken = lifecycle(rules.clone(), TransitionMinimum::default(), &Chance::seeded(1)).unwrap();
            assert_eq!(taken.rules().iter().map(shown).collect::<Vec<_>>(), rules, "{rule}");
        }
    }
}
