//! Lists of tables. The operations on single tables are in `glue.rs`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SERVICE;
use crate::error::UnreadableResponse;
use crate::protocol::{Operation, Paginated, Request, Response};
use crate::service::Service;

/// Lists the tables of a database, up to 100 a page (`glue:GetTables`). Lake Formation hides those without a permission.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetTables {
    /// The database.
    pub database_name: String,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The tables of one page.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TableList {
    /// `Table` of the service model.
    pub table_list: Vec<Value>,
    next_token: Option<String>,
}

impl Operation for GetTables {
    const SERVICE: &'static Service = &SERVICE;
    const NAME: &'static str = "GetTables";
    type Output = TableList;

    fn request(&self) -> Request {
        Request::json::<Self>(self)
    }

    fn read(response: Response) -> Result<TableList, UnreadableResponse> {
        Ok(serde_json::from_slice(&response.body)?)
    }
}

impl Paginated for GetTables {
    fn next_token(output: &TableList) -> Option<&str> {
        output.next_token.as_deref()
    }

    fn with_token(self, token: String) -> GetTables {
        GetTables {
            next_token: Some(token),
            ..self
        }
    }
}
