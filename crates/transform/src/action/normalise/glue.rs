//! Names of the AWS Glue catalog: `arn:aws:glue:<region>:<account>` and `table/<database>/<table>`, and their older
//! forms.

use openlineage::Identity;

use crate::endpoint::partition;

/// Whether a namespace is a Glue catalog, in any form.
pub(crate) fn is_glue(namespace: &str) -> bool {
    namespace.contains(":glue:")
        && (namespace.starts_with("arn:aws") || namespace.starts_with("aws:glue:"))
}

/// Returns the normalised name; `None` if it is normalised already or cannot be derived. `forms`: also the old form, and a table
/// name in the namespace; `slash`: a trailing slash.
pub(crate) fn one_catalog(dataset: &Identity, forms: bool, slash: bool) -> Option<Identity> {
    let Identity { namespace, name } = dataset;
    // `table/<database>/<table>/` is the same table.
    let name = match slash && name.starts_with("table/") {
        true => name.trim_end_matches('/'),
        false => name,
    };
    let trimmed = match slash || forms {
        true => namespace.trim_end_matches('/'),
        false => namespace,
    };
    let changed = |namespace: String, name: String| {
        let changed = Identity { namespace, name };
        (changed != *dataset).then_some(changed)
    };
    if !forms {
        return changed(trimmed.to_owned(), name.to_owned());
    }
    let (namespace, mut name) = match (name.is_empty(), trimmed.find("table/")) {
        (true, Some(at)) => {
            let namespace = trimmed.get(..at)?.trim_end_matches(['/', ':']);
            (namespace, trimmed.get(at..)?.to_owned())
        }
        _ => (trimmed, name.to_owned()),
    };
    let Some(old) = namespace.strip_prefix("aws:glue:") else {
        return changed(namespace.to_owned(), name);
    };
    let (region, account) = old.split_once(':')?;
    if region.is_empty()
        || account.len() != 12
        || !account.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    if !name.starts_with("table/") {
        let (database, table) = name.split_once('.').filter(|(database, table)| {
            !database.is_empty()
                && !table.is_empty()
                && !table.contains(['.', '/'])
                && !database.contains('/')
        })?;
        name = format!("table/{database}/{table}");
    }
    changed(
        format!("arn:{}:glue:{region}:{account}", partition(region)),
        name,
    )
}
