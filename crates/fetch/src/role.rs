//! The role that a source assumes, of its settings `role_arn` and `external_id`.

use aws::{ExternalIdAlone, Role};
use settings::{CheckedText, ExternalId, RoleArn, Setting};

use crate::SettingError;

/// The role, if there is one. Its parts were checked when they were read.
pub(crate) fn read(
    arn: Option<Setting<RoleArn>>,
    external_id: Option<Setting<CheckedText<ExternalId>>>,
) -> Result<Option<Role>, SettingError> {
    let role = Role::of(
        arn.map(Setting::into_value),
        external_id.map(Setting::into_value),
    );
    role.map_err(|error: ExternalIdAlone| SettingError {
        setting: "external_id",
        problem: error.to_string(),
    })
}
